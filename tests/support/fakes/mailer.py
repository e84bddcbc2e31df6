"""A mailer that keeps what it sends."""

from dataclasses import dataclass

from support.fakes.faults import Faults


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
