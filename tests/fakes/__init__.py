"""In-memory stand-ins for the ports, faithful to AWS where it matters.

They obey the same contract as the adapters: tests/contract/test_ports.py runs on both.
"""

from fakes.clock import FakeClock
from fakes.faults import Faults
from fakes.mailer import FakeMailer, Mail
from fakes.outbox import FakeLeases, FakeOutbox
from fakes.payments import FakeGateway
from fakes.queue import DeadLettered, FakeQueue
from fakes.store import FakeStore, FakeTransaction
from fakes.topic import FakeTopic

__all__ = [
    "DeadLettered",
    "FakeClock",
    "FakeGateway",
    "FakeLeases",
    "FakeMailer",
    "FakeOutbox",
    "FakeQueue",
    "FakeStore",
    "FakeTopic",
    "FakeTransaction",
    "Faults",
    "Mail",
]
