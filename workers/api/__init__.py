"""order-api: turns HTTP requests into transactions with an outbox row."""
