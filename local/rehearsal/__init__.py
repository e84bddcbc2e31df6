"""The rehearsal: applies terraform/ to the embedded AWS and runs the tasks it defines."""
