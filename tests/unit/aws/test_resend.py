"""Events are sent again to one queue, within the limits of a request, until each is accepted."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.builders import encoded

from workers.aws import resend
from workers.aws.resend import Sender
from workers.envelope import Encoded
from workers.limits import MAX_BATCH, MAX_PUBLISH_BYTES
from workers.runtime.errors import Unavailable


class Sqs:
    """Accepts messages, except for the first ``refusals`` of each."""

    def __init__(self, refusals=0):
        self.accepted = []
        self.batches = []
        self._refusals = refusals
        self._tries = {}

    def send_message_batch(self, QueueUrl, Entries):  # noqa: N803 - as AWS spells it
        assert QueueUrl == "url"
        self.batches.append(Entries)
        good, bad = [], []
        for entry in Entries:
            body = entry["MessageBody"]
            self._tries[body] = self._tries.get(body, 0) + 1
            # Every other entry is refused at first.
            refused = int(entry["Id"]) % 2 and self._tries[body] <= self._refusals
            (bad if refused else good).append(entry)
        self.accepted += [entry["MessageBody"] for entry in good]
        failed = [{"Id": e["Id"], "Code": "InternalError", "SenderFault": False} for e in bad]
        return {"Successful": [{"Id": e["Id"]} for e in good], "Failed": failed}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(resend, "_FIRST_WAIT", 0)


def send(sqs, events):
    with ThreadPoolExecutor(4) as pool:
        Sender(sqs, "url", pool).send(events)


def events(count, body=""):
    return [Encoded(str(n), f"{n}{body}", {"eventType": "order.created"}) for n in range(count)]


def test_bodies_and_attributes_are_those_that_the_topic_delivers():
    sqs, event = Sqs(), encoded()
    send(sqs, [event])
    [[entry]] = sqs.batches
    assert entry["MessageBody"] == event.body
    assert {n: a["StringValue"] for n, a in entry["MessageAttributes"].items()} == event.attributes


def test_each_request_has_at_most_ten_messages():
    sqs = Sqs()
    send(sqs, events(25))
    assert sorted(len(batch) for batch in sqs.batches) == [5, MAX_BATCH, MAX_BATCH]
    assert len(sqs.accepted) == 25


def test_large_events_share_no_request():
    sqs = Sqs()
    send(sqs, events(3, "x" * (MAX_PUBLISH_BYTES * 2 // 3)))
    assert [len(batch) for batch in sqs.batches] == [1, 1, 1]


def test_only_what_was_refused_is_sent_again():
    sqs = Sqs(refusals=2)
    send(sqs, events(10))
    assert sorted(sqs.accepted, key=int) == [str(n) for n in range(10)]
    assert [len(batch) for batch in sqs.batches] == [10, 5, 5]


def test_an_event_that_is_never_accepted_stops_the_replay():
    with pytest.raises(Unavailable, match="not all messages were accepted: InternalError"):
        send(Sqs(refusals=99), events(10))
