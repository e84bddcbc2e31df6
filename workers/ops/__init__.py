"""What an operator does: look at queues, explain failures, redrive."""
