"""order-api: HTTP in, one transaction with an outbox row out."""
