"""A stand-in for SQS, SNS and DynamoDB that is fast enough to benchmark clients.

It needs only the standard library, orjson and, for speed, uvloop. It does not import ``workers``.
"""
