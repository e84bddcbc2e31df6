"""Event-driven order processing on SNS, SQS and containers."""
