"""Patches that make moto's SQS, SNS and DynamoDB faster and as strict as AWS."""
