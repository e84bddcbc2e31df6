"""Implements topics: publishing, subscriptions of queues, filters on message attributes.

https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import orjson

from bench.standin.forms import Form, entries, pairs
from bench.standin.queue import message_id
from bench.standin.refusals import Refused

BATCH = 10
Attributes = dict[str, dict[str, str]]  # DataType and StringValue by name
# Delivers to a queue: its name, a body and attributes.
Deliver = Callable[[str, str, Attributes], None]


@dataclass
class Subscription:
    """A queue, and what it wants."""

    arn: str
    endpoint: str
    queue: str
    attributes: dict[str, str]
    wanted: dict[str, list[str]] = field(default_factory=dict)  # texts by attribute; empty: all
    raw: bool = False

    def set(self, name: str, value: str) -> None:
        """Set an attribute. Only filters by exact texts of message attributes are supported."""
        self.attributes[name] = value
        self.wanted = orjson.loads(self.attributes.get("FilterPolicy") or b"{}")
        self.raw = self.attributes.get("RawMessageDelivery") == "true"
        if any(not isinstance(text, str) for texts in self.wanted.values() for text in texts):
            raise Refused("InvalidParameter", "Invalid parameter: FilterPolicy")

    def accepts(self, attributes: Attributes) -> bool:
        """Return whether a message passes the filter."""
        return all(
            name in attributes and attributes[name].get("StringValue") in texts
            for name, texts in self.wanted.items()
        )


class Sns:
    """All topics. ``confirmed`` has the time of each ``order.confirmed`` by its order."""

    def __init__(self, account: str, deliver: Deliver) -> None:
        """Create no topics yet."""
        self.prefix = f"arn:aws:sns:eu-west-1:{account}:"
        self.published = 0
        self.topics: dict[str, list[Subscription]] = {}
        self.confirmed: dict[str, float] = {}
        self._deliver = deliver
        self._actions: dict[str, Callable[[Form], str]] = {
            "CreateTopic": self._create,
            "DeleteTopic": self._drop,
            "GetSubscriptionAttributes": self._attributes,
            "ListSubscriptionsByTopic": self._subscriptions,
            "ListTopics": self._list,
            "Publish": self._publish,
            "PublishBatch": self._publish_batch,
            "SetSubscriptionAttributes": self._set,
            "Subscribe": self._subscribe,
        }

    def act(self, action: str, form: Form) -> str:
        """Execute an action; returns the content of its result. Raises ``Refused``."""
        if action not in self._actions:
            raise Refused("InvalidAction")
        return self._actions[action](form)

    def clear_figures(self) -> None:
        """Forget what was published."""
        self.published = 0
        self.confirmed.clear()

    def _publish(self, form: Form) -> str:
        return f"<MessageId>{self._send(form['TopicArn'], form, '')}</MessageId>"

    def _publish_batch(self, form: Form) -> str:
        found = entries(form, "PublishBatchRequestEntries.member")
        if len(found) > BATCH:
            raise Refused("TooManyEntriesInBatchRequest")
        members = "".join(
            f"<member><Id>{escape(form[f'{entry}.Id'])}</Id>"
            f"<MessageId>{self._send(form['TopicArn'], form, f'{entry}.')}</MessageId></member>"
            for entry in found
        )
        return f"<Successful>{members}</Successful><Failed/>"

    def _send(self, arn: str, form: Form, entry: str) -> str:
        """Deliver a message to every subscription that wants it; returns its id."""
        subscriptions, body = self._topic(arn), form[f"{entry}Message"]
        attributes: Attributes = {
            form[f"{each}.Name"]: {
                "DataType": form[f"{each}.Value.DataType"],
                "StringValue": form.get(f"{each}.Value.StringValue", ""),
            }
            for each in entries(form, f"{entry}MessageAttributes.entry")
        }
        self.published += 1
        sent = message_id(self.published, "sns")
        if attributes.get("eventType", {}).get("StringValue") == "order.confirmed":
            self.confirmed.setdefault(orjson.loads(body)["data"]["orderId"], time.time())
        for subscription in subscriptions:
            if subscription.accepts(attributes):
                if subscription.raw:
                    self._deliver(subscription.queue, body, attributes)
                else:
                    self._deliver(subscription.queue, _wrapped(arn, sent, body, attributes), {})
        return sent

    def _create(self, form: Form) -> str:
        self.topics.setdefault(form["Name"], [])
        return f"<TopicArn>{self.prefix}{form['Name']}</TopicArn>"

    def _drop(self, form: Form) -> str:
        self.topics.pop(form["TopicArn"].rpartition(":")[2], None)
        return ""

    def _list(self, _form: Form) -> str:
        arns = "".join(
            f"<member><TopicArn>{self.prefix}{name}</TopicArn></member>" for name in self.topics
        )
        return f"<Topics>{arns}</Topics>"

    def _subscribe(self, form: Form) -> str:
        subscriptions, endpoint = self._topic(form["TopicArn"]), form.get("Endpoint", "")
        arn = f"{form['TopicArn']}:{message_id(len(subscriptions), 'subscription')}"
        made = Subscription(arn, endpoint, endpoint.rpartition(":")[2], {})
        for name, value in pairs(form, "Attributes.entry").items():
            made.set(name, value)
        subscriptions.append(made)
        return f"<SubscriptionArn>{arn}</SubscriptionArn>"

    def _subscriptions(self, form: Form) -> str:
        members = "".join(
            f"<member><SubscriptionArn>{each.arn}</SubscriptionArn>"
            f"<Endpoint>{each.endpoint}</Endpoint></member>"
            for each in self._topic(form["TopicArn"])
        )
        return f"<Subscriptions>{members}</Subscriptions>"

    def _attributes(self, form: Form) -> str:
        shown = "".join(
            f"<entry><key>{name}</key><value>{escape(value)}</value></entry>"
            for name, value in self._subscription(form).attributes.items()
        )
        return f"<Attributes>{shown}</Attributes>"

    def _set(self, form: Form) -> str:
        self._subscription(form).set(form["AttributeName"], form["AttributeValue"])
        return ""

    def _topic(self, arn: str) -> list[Subscription]:
        try:
            return self.topics[arn.rpartition(":")[2]]
        except KeyError:
            raise Refused("NotFound", "Topic does not exist") from None

    def _subscription(self, form: Form) -> Subscription:
        arn = form["SubscriptionArn"]
        for each in self._topic(arn.rpartition(":")[0]):
            if each.arn == arn:
                return each
        raise Refused("NotFound", "Subscription does not exist")


def _wrapped(arn: str, sent: str, body: str, attributes: Attributes) -> str:
    """Return a message as SNS wraps it without raw delivery."""
    shown: Mapping[str, Any] = {
        name: {"Type": each["DataType"], "Value": each["StringValue"]}
        for name, each in attributes.items()
    }
    notification = {"Type": "Notification", "MessageId": sent, "TopicArn": arn, "Message": body}
    return orjson.dumps(notification | {"MessageAttributes": shown}).decode()
