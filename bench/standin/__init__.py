"""A stand-in of SQS, SNS and DynamoDB that is fast enough to measure clients with.

Needs nothing but the standard library, orjson and (for speed) uvloop; imports nothing of ours.
"""
