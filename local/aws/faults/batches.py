"""Partial failures of SQS and SNS batches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

from local.aws.counts import Request
from local.aws.faults.answers import TRY_AGAIN, in_json
from local.aws.refusals import Answer

_NAMESPACE: Final = "http://sns.amazonaws.com/doc/2010-03-31/"
_ENTRY: Final = "PublishBatchRequestEntries.member."


@dataclass(frozen=True)
class PartialBatch:
    """A batch in which every other entry fails, counted back from the last one."""

    body: bytes  # the request with the other entries; empty if there are none
    failed: Sequence[str]  # entry ids

    @classmethod
    def of(cls, request: Request) -> "PartialBatch":
        """Split a batch of SQS or SNS."""
        if request.protocol == "json":
            document = json.loads(request.body)
            kept, failed = _split(document["Entries"])
            rest = json.dumps(document | {"Entries": kept}).encode()
            return cls(rest if kept else b"", [entry["Id"] for entry in failed])
        common, entries = _form_entries(request.body)
        kept, failed = _split(entries)
        fields = [
            (f"{_ENTRY}{position}.{name}", value)
            for position, entry in enumerate(kept, 1)
            for name, value in entry.items()
        ]
        rest = urlencode([*common, *fields]).encode()
        return cls(rest if kept else b"", [entry["Id"] for entry in failed])

    def answer(self, request: Request, done: Answer | None, request_id: str) -> Answer:
        """Add the failed entries to ``done``, the response for the others (None: no others)."""
        if done is not None and not done.status.startswith("200"):
            return done
        if request.protocol == "json":
            document = json.loads(done.body) if done else {"Successful": []}
            document["Failed"] = [*document.get("Failed", []), *map(_failed, self.failed)]
            return in_json("200 OK", document, request_id)
        headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
        return Answer("200 OK", headers, _with_failed(done, self.failed, request_id))


def _split(entries: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    last = len(entries) - 1
    kept = [entry for position, entry in enumerate(entries) if (last - position) % 2]
    failed = [entry for position, entry in enumerate(entries) if not (last - position) % 2]
    return kept, failed


def _failed(entry_id: str) -> dict[str, Any]:
    return {"Id": entry_id, "Code": "InternalError", "Message": TRY_AGAIN, "SenderFault": False}


def _form_entries(body: bytes) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    common, entries = [], dict[str, dict[str, str]]()
    for field, value in parse_qsl(body.decode(), keep_blank_values=True):
        if field.startswith(_ENTRY):
            position, _, name = field.removeprefix(_ENTRY).partition(".")
            entries.setdefault(position, {})[name] = value
        else:
            common.append((field, value))
    return common, list(entries.values())


def _with_failed(done: Answer | None, ids: Sequence[str], request_id: str) -> bytes:
    empty = (
        f'<PublishBatchResponse xmlns="{_NAMESPACE}"><PublishBatchResult><Successful/><Failed/>'
        f"</PublishBatchResult><ResponseMetadata><RequestId>{request_id}</RequestId>"
        "</ResponseMetadata></PublishBatchResponse>"
    )
    root = ET.fromstring(done.body if done else empty)  # noqa: S314 - our own answer
    result = next(each for each in root.iter() if each.tag.endswith("PublishBatchResult"))
    space = result.tag.removesuffix("PublishBatchResult")
    failed = result.find(f"{space}Failed")
    if failed is None:
        failed = ET.SubElement(result, f"{space}Failed")
    for entry_id in ids:
        member = ET.SubElement(failed, f"{space}member")
        for name, value in _failed(entry_id).items():
            text = str(value).lower() if isinstance(value, bool) else value
            ET.SubElement(member, f"{space}{name}").text = text
    return ET.tostring(root, default_namespace=space.strip("{}") or None)
