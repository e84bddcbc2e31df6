"""Reads from a queue's policy whether the topic may send.

It looks for the statements that this project writes. It is no simulator of IAM.
"""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

SNS: Final = "sns.amazonaws.com"
SEND: Final = "sqs:SendMessage"
_SOURCE: Final = "aws:sourcearn"


def topic_may_send(policy: str, topic_arn: str) -> Iterator[str]:
    """Report a policy that does not let the topic send. The topic is then cut off, silently."""
    statements = _statements(policy)
    about = [each for each in statements if _covers(each)]
    if not any(_allows(each, topic_arn) for each in about):
        yield f"its policy does not let {topic_arn} send: events are not delivered"
    elif any(_denies(each, topic_arn) for each in about):
        yield f"its policy denies {topic_arn} to send: events are not delivered"


def _allows(statement: Mapping[str, Any], topic_arn: str) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    conditions = list(_conditions(statement))
    return all(_holds(operator, key, values, topic_arn) for operator, key, values in conditions)


def _denies(statement: Mapping[str, Any], topic_arn: str) -> bool:
    if statement.get("Effect") != "Deny":
        return False
    conditions = list(_conditions(statement))
    return all(_holds(operator, key, values, topic_arn) for operator, key, values in conditions)


def _holds(operator: str, key: str, values: list[str], topic_arn: str) -> bool:
    """Return whether a condition holds for a message of the topic.

    SNS sends with TLS and without a principal's ARN.
    """
    negated = "not" in operator.lower()
    if key == _SOURCE:
        matches = any(fnmatchcase(topic_arn, value) for value in values)
        return matches is not negated
    if key == "aws:securetransport":
        return "true" in values
    return negated  # an absent key: only a negated operator holds


def _covers(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement is about sending by SNS."""
    principal = statement.get("Principal", {})
    services = _list(principal.get("Service", [])) if isinstance(principal, dict) else []
    everybody = principal == "*" or (isinstance(principal, dict) and principal.get("AWS") == "*")
    if not everybody and SNS not in services:
        return False
    actions = [action.lower() for action in _list(statement.get("Action", []))]
    return any(fnmatchcase(SEND.lower(), action) for action in actions)


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key.lower(), [str(value) for value in _list(values)]


def _statements(policy: str) -> list[Mapping[str, Any]]:
    document = json.loads(policy) if policy else {}
    return _list(document.get("Statement", []))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
