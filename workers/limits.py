"""Limits of AWS that several modules respect, each defined once. Imports nothing."""

from typing import Final

# Entries of one request to SQS or SNS:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
MAX_BATCH: Final = 10

# Seconds that a poll waits for a message:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
MAX_RECEIVE_WAIT: Final = 20

# Seconds that a message stays hidden, counted from its receive; a longer request fails:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
MAX_VISIBILITY_TIMEOUT: Final = 43_200

# Bytes of one publish request, bodies and attributes of all its messages together. A topic takes up
# to 1 MiB if its attribute MaximumMessageSize says so, as SQS has since August 2025, but a DynamoDB
# item, which holds the same text until it is published, takes 400 KB.
# https://docs.aws.amazon.com/general/latest/gr/sns.html
MAX_PUBLISH_BYTES: Final = 262_144

# Bytes of one item, names and values of its attributes together:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_ITEM_BYTES: Final = 409_600
