"""Applies an action of SQS to each entry of a batch.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html
"""

from collections.abc import Callable
from typing import Any

from bench.standin.refusals import Refused

BATCH = 10
Fields = dict[str, Any]


def each_entry(
    one: Callable[[Fields], Fields], fields: Fields, *, fails: Callable[[], bool]
) -> Fields:
    """Return the answer to a batch. Raises ``Refused`` for one that SQS refuses as a whole.

    Entries for which ``fails`` returns true are not executed, as in an internal error of SQS.
    """
    entries = fields["Entries"]
    if not entries:
        raise Refused("EmptyBatchRequest")
    if len(entries) > BATCH:
        raise Refused("TooManyEntriesInBatchRequest")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused("BatchEntryIdsNotDistinct")
    done, failed = [], []
    for entry in entries:
        if fails():
            failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            continue
        try:
            answer = one({"QueueUrl": fields["QueueUrl"], **entry})
            done.append({"Id": entry["Id"], **answer})
        except Refused as error:
            failed.append({"Id": entry["Id"], "Code": error.code, "SenderFault": True})
    return {"Successful": done, "Failed": failed} if failed else {"Successful": done}
