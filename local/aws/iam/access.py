"""Access checks: authorises the requests of role sessions, and records the rights they use.

As on AWS, credentials from ``sts:AssumeRole`` are limited by the policies of the role and of the
resource. All other credentials belong to the owner of the endpoint, who may do everything.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import Role, iam_backends
from moto.sns.models import Topic, sns_backends
from moto.sqs.models import Queue, sqs_backends
from moto.sts.models import AssumedRole, sts_backends

from local.aws.counts import Request
from local.aws.iam.rights import rights
from local.aws.iam.statements import Call, Statement, Verdict, statements_in, verdict

_PARTITION: Final = "aws"
# Always allowed, whatever the policies say:
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE: Final = frozenset({"sts:GetCallerIdentity"})
# Loopback counts as TLS: the endpoint replaces one with TLS, and its requests leave no machine.
TRANSPORT: Final = {"aws:securetransport": "true"}
_BECAUSE: Final = {
    "denied": "with an explicit deny in a policy",
    "not allowed": "because no identity-based policy allows the {action} action",
}


@dataclass(frozen=True)
class Refusal:
    """The reason that a request is refused."""

    known: bool  # whether the credentials are known
    message: str


@dataclass(frozen=True)
class Access:
    """Authorises requests, and counts the rights that sessions use. Thread-safe."""

    _asked: Counter[tuple[str, str, str, Verdict]] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def refusal(self, request: Request) -> Refusal | None:
        """Return why a request is refused; None if it is allowed."""
        if not request.key.startswith("ASIA"):  # not the key of a session
            return None
        sessions = sts_backends[DEFAULT_ACCOUNT_ID][_PARTITION]
        session = sessions.get_assumed_role_from_access_key(request.key)
        if session is None:
            return Refusal(known=False, message="The security token is invalid.")
        for call in rights(request, DEFAULT_ACCOUNT_ID):
            if refused := self._weigh(session, call, request.region):
                return refused
        return None

    def as_document(self) -> list[dict[str, Any]]:
        """List the rights that roles used: ``role, action, resource, verdict, count``."""
        with self._lock:
            return [
                {"role": role, "action": action, "resource": arn, "verdict": said, "count": count}
                for (role, action, arn, said), count in sorted(self._asked.items())
            ]

    def _weigh(self, session: AssumedRole, call: Call, region: str) -> Refusal | None:
        action, arn = call.action, call.resource
        role = iam_backends[DEFAULT_ACCOUNT_ID][_PARTITION].get_role_by_arn(session.role_arn)
        said = verdict(
            replace(call, principal=role.arn, context=_context(role, region) | call.context),
            identity=statements_of_role(role),
            resource=_of_resource(arn),
        )
        if action in _FREE:
            said = "allowed"
        with self._lock:
            self._asked[role.name, action, arn, said] += 1
        if said == "allowed":
            return None
        because = _BECAUSE[said].format(action=action)
        return Refusal(
            known=True,
            message=f"User: {session.arn} is not authorized to perform: {action} "
            f"on resource: {arn} {because}",
        )


def _context(role: Role, region: str) -> dict[str, str]:
    return {
        "aws:principalaccount": DEFAULT_ACCOUNT_ID,
        "aws:principalarn": role.arn,
        "aws:principalisawsservice": "false",
        "aws:requestedregion": region,
    } | TRANSPORT


def statements_of_role(role: Role) -> list[Statement]:
    """List the statements of a role's own policies."""
    documents = [
        *role.policies.values(),
        *(
            version.document
            for policy in role.managed_policies.values()
            for version in policy.versions
            if version.is_default
        ),
    ]
    return [each for document in documents for each in statements_in(document)]


def _of_resource(arn: str) -> list[Statement]:
    """Return the policy of a queue or topic; other resources have none here."""
    if not arn.startswith("arn:"):
        return []
    _, _, service, region, account, name = arn.split(":", 5)
    found: Queue | Topic | None = None
    if service == "sqs":
        found = sqs_backends[account][region].queues.get(name)
    elif service == "sns":
        found = sns_backends[account][region].topics.get(arn)
    return statements_in(found.policy) if found and found.policy else []
