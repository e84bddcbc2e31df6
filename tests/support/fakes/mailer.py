"""A mailer that keeps what it sends, and an allowance that never resets."""

from collections import defaultdict
from dataclasses import dataclass

from support.fakes.faults import Faults
from workers.services.notification import MAILS_PER_HOUR


@dataclass(frozen=True)
class Mail:
    to: str
    subject: str
    body: str
    reference: str


class FakeMailer(Faults):
    """The port ``Mailer``; ``sent`` has the mails sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, to, subject, body, *, reference):
        with self._call("send"):
            self.sent.append(Mail(to, subject, body, reference))


class FakeAllowance(Faults):
    """The port ``Allowance``, within one hour; ``taken`` has the references of each recipient."""

    def __init__(self):
        super().__init__()
        self.taken = defaultdict(set)

    def take(self, to, reference):
        with self._call("take"):
            taken = self.taken[to]
            if reference in taken or len(taken) < MAILS_PER_HOUR:
                taken.add(reference)
                return True
            return False
