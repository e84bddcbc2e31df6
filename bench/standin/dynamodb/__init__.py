"""A DynamoDB in memory: conditional writes, transactions, one index, and the units they cost."""
