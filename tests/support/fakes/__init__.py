"""In-memory fakes of the ports, faithful to AWS where it matters.

They obey the same contract as the adapters: the tests in contract/ports run on both.
"""

from support.fakes.clock import FakeClock
from support.fakes.counts import FakeCounts
from support.fakes.faults import Faults
from support.fakes.mailer import FakeAllowance, FakeMailer, Mail
from support.fakes.outbox import FakeLeases, FakeOutbox
from support.fakes.payloads import FakePayloads
from support.fakes.payments import FakeGateway
from support.fakes.queue import DeadLettered, FakeQueue
from support.fakes.roster import FakeRoster
from support.fakes.store import FakeStore, FakeTransaction
from support.fakes.topic import FakeTopic

__all__ = [
    "DeadLettered",
    "FakeAllowance",
    "FakeClock",
    "FakeCounts",
    "FakeGateway",
    "FakeLeases",
    "FakeMailer",
    "FakeOutbox",
    "FakePayloads",
    "FakeQueue",
    "FakeRoster",
    "FakeStore",
    "FakeTopic",
    "FakeTransaction",
    "Faults",
    "Mail",
]
