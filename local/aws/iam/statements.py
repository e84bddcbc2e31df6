"""Evaluates IAM policy statements for a call, as AWS does within one account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

Statement: TypeAlias = Mapping[str, Any]
Verdict: TypeAlias = Literal["allowed", "denied", "not allowed"]


@dataclass(frozen=True)
class Call:
    """One use of a right: an action on a resource."""

    action: str  # "sqs:SendMessage"
    resource: str  # its ARN, or "*" for an action that has none
    principal: str = ""  # the ARN of a role, or the name of a service: "sns.amazonaws.com"
    context: dict[str, str] = field(default_factory=dict)  # by condition key, in lower case


def verdict(
    call: Call, *, identity: Iterable[Statement] = (), resource: Iterable[Statement] = ()
) -> Verdict:
    """Evaluate the policies of the caller and of the resource: an explicit deny always wins.

    Raises ``NotImplementedError`` for an unknown condition operator.
    """
    allowed = False
    for statement in (*identity, *(each for each in resource if _names(each, call))):
        if not _is_about(statement, call):
            continue
        if statement["Effect"] == "Deny":
            return "denied"
        allowed = True
    return "allowed" if allowed else "not allowed"


def statements_of(document: Mapping[str, Any]) -> list[Statement]:
    """List the statements of a policy document."""
    return _listed(document.get("Statement", []))


@lru_cache(maxsize=1024)
def statements_in(document: str) -> list[Statement]:
    """List the statements of a policy document in JSON."""
    return statements_of(json.loads(document))


def _is_about(statement: Statement, call: Call) -> bool:
    return (
        _mentions(statement, "Action", call.action.lower(), str.lower)
        and _mentions(statement, "Resource", call.resource, str)
        and all(
            _holds(operator, key, _listed(wanted), call.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _mentions(statement: Statement, name: str, value: str, fold: Callable[[str], str]) -> bool:
    """Return whether an element or its ``Not`` form applies; a trust policy has no Resource."""
    if f"Not{name}" in statement:
        return not _any_like(map(fold, _listed(statement[f"Not{name}"])), value)
    return name not in statement or _any_like(map(fold, _listed(statement[name])), value)


def _names(statement: Statement, call: Call) -> bool:
    """Return whether a statement of a resource policy applies to the caller.

    Naming the account leaves the decision to identity policies: it can deny, but not allow.
    """
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], call, account=True)
    return _is_among(statement.get("Principal"), call, account=statement["Effect"] == "Deny")


def _is_among(principals: Any, call: Call, *, account: bool) -> bool:
    if principals == "*":
        return True
    kind = "Service" if call.principal.endswith(".amazonaws.com") else "AWS"
    named = {call.principal, "*"}
    if account and kind == "AWS" and call.principal:
        number = call.principal.split(":")[4]
        named |= {number, f"arn:aws:iam::{number}:root"}
    return any(each in named for each in _listed((principals or {}).get(kind, [])))


def _equal(wanted: str, found: str) -> bool:
    return wanted == found


def _equal_without_case(wanted: str, found: str) -> bool:
    return wanted.lower() == found.lower()


def _like(wanted: str, found: str) -> bool:
    return _pattern(wanted).fullmatch(found) is not None


_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _equal_without_case,
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_without_case,
    "StringLike": _like,
}


def _holds(operator: str, key: str, wanted: list[Any], context: Mapping[str, str]) -> bool:
    found = context.get(key.lower())
    if operator == "Null":
        return (found is None) == (str(wanted[0]).lower() == "true")
    quantity, _, plain = operator.rpartition(":")
    plain, optional = plain.removesuffix("IfExists"), plain.endswith("IfExists")
    positive = plain.replace("Not", "")
    if positive not in _OPERATORS:
        raise NotImplementedError(f"the embedded IAM does not implement the operator {operator}")
    negated = positive != plain
    if found is None:
        return negated or optional or quantity == "ForAllValues"
    return negated != any(_OPERATORS[positive](str(each), found) for each in wanted)


def _any_like(patterns: Iterable[str], value: str) -> bool:
    return any(_like(pattern, value) for pattern in patterns)


@lru_cache(maxsize=1024)
def _pattern(wildcards: str) -> re.Pattern[str]:
    return re.compile(re.escape(wildcards).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
