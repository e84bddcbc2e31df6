"""Accepts email for verified senders, in version 1 and in version 2 of the API, and counts it.

https://docs.aws.amazon.com/ses/latest/APIReference/API_SendEmail.html
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from typing import Any
from xml.sax.saxutils import escape

from bench.standin.forms import Form
from bench.standin.queue import message_id
from bench.standin.refusals import Refused

SEND_PATH = "/v2/email/outbound-emails"


class Ses:
    """All identities."""

    def __init__(self) -> None:
        """Start without identities."""
        self.sent = 0
        self.identities: set[str] = set()

    def act(self, action: str, form: Form) -> str:
        """Execute an action of version 1; returns the content of its result. Raises ``Refused``."""
        match action:
            case "SendEmail":
                return f"<MessageId>{self._send(form['Source'])}</MessageId>"
            case "VerifyEmailIdentity":
                self.identities.add(form["EmailAddress"])
                return ""
            case "ListIdentities":
                members = "".join(f"<member>{escape(each)}</member>" for each in self.identities)
                return f"<Identities>{members}</Identities>"
            case "GetSendQuota":
                return f"<SentLast24Hours>{self.sent}</SentLast24Hours>"
        raise Refused("InvalidAction")

    def send(self, fields: dict[str, Any]) -> dict[str, str]:
        """Send an email with version 2. Raises ``Refused``."""
        return {"MessageId": self._send(fields["FromEmailAddress"])}

    def _send(self, sender: str) -> str:
        if sender not in self.identities:
            raise Refused("MessageRejected", f"Email address is not verified. {sender}")
        self.sent += 1
        return message_id(self.sent, "ses")
