"""Reads the emails that the embedded SES has accepted. None leaves the machine."""

from email import message_from_string, policy

from moto.ses.models import Message, RawMessage, ses_backends


def sent_mails() -> list[dict[str, object]]:
    """List the emails in the order of sending: ``id, from, to, subject, body``."""
    return [
        _mail(message)
        for regions in ses_backends.values()
        for backend in regions.values()
        for message in backend.sent_messages
        if isinstance(message, Message | RawMessage)
    ]


def _mail(message: Message | RawMessage) -> dict[str, object]:
    if isinstance(message, Message):
        to = [address for group in message.destinations.values() for address in group]
        subject, body = message.subject, message.body
    else:
        parsed = message_from_string(message.raw_data, policy=policy.default)
        text = parsed.get_body(("plain", "html"))
        to, subject = message.destinations, parsed["Subject"]
        body = text.get_content() if text else ""
    return {"id": message.id, "from": message.source, "to": to, "subject": subject, "body": body}
