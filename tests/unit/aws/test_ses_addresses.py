"""Addresses are normalised for SES; events of earlier versions carry them as typed."""

import pytest
from support.builders import a_confirmation, an_envelope
from support.fakes import FakeAllowance, FakeClock
from support.harness import Harness

from workers.aws.ses import SesMailer
from workers.runtime.errors import PermanentError
from workers.services.notification import Notification


class Client:
    """Records the mails that it is asked to send."""

    def __init__(self):
        self.asked = []

    def send_email(self, **request):
        self.asked.append(request["Destination"]["ToAddresses"])
        return {"MessageId": "mail-1"}


@pytest.fixture
def client():
    return Client()


def send(client, to):
    SesMailer(client, "shop@example.com").send(to, "Hello", "Hello", reference="event-1")


@pytest.mark.parametrize(
    ("carried", "sent_to"),
    [("ada@example.com", "ada@example.com"), ("ada@bücher.de", "ada@xn--bcher-kva.de")],
)
def test_a_domain_is_written_in_punycode(client, carried, sent_to):
    send(client, carried)

    assert client.asked == [[sent_to]]


@pytest.mark.parametrize("carried", ["jörg@example.de", "ada@exa\u200dmple.com"])
def test_an_address_that_ses_cannot_take_is_a_permanent_error(client, carried):
    with pytest.raises(PermanentError, match="which SES requires") as refusal:
        send(client, carried)

    assert client.asked == []
    assert carried not in str(refusal.value)


def test_an_old_order_with_a_bad_address_becomes_a_readable_dead_letter(
    client,
):
    mailer = SesMailer(client, "shop@example.com")
    worker = Harness(
        Notification(mailer, FakeAllowance(), "operations@example.com", FakeClock().now)
    )
    order = a_confirmation(customer_email="jörg@example.de")
    worker.queue.send(an_envelope(order).encode())
    worker.round()

    (letter,) = worker.queue.dead_letters
    assert letter.failure.type == "permanent"
    assert "which SES requires" in letter.failure.reason
    assert "jörg" not in letter.failure.reason
    assert len(worker.queue) == 0
