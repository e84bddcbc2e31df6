"""Examines what needs no request: handlers against the map, settings, and the clock."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from workers.aws.clients import CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_ATTEMPTS
from workers.gateways import stripe_api
from workers.ops.doctor.finding import Finding
from workers.runtime.handler import Handlers
from workers.runtime.worker import Deadline
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import Orders
from workers.services.payment import Payment
from workers.settings import Settings, misspelt
from workers.topology import Topology
from workers.topology_rules import MIN_VISIBILITY_TIMEOUT

HANDLERS: Final[Mapping[str, type]] = {
    "analytics": Analytics,
    "inventory": Inventory,
    "notification": Notification,
    "orders": Orders,
    "payment": Payment,
}
# AWS refuses signatures that are 5 minutes off. Half a minute already confuses timelines.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
LARGEST_SKEW: Final = 30.0  # s
# The longest that one call of a handler takes until it gives up.
LONGEST_AWS_CALL: Final = TOTAL_ATTEMPTS * (CONNECT_TIMEOUT + READ_TIMEOUT)  # s
LONGEST_GATEWAY_CALL: Final = stripe_api.CONNECT_TIMEOUT + stripe_api.READ_TIMEOUT  # s


def handler_findings(topology: Topology) -> Iterator[Finding]:
    """Compare the map with the handlers of this version of the code."""
    for name, service in topology.consumers.items():
        kind = HANDLERS.get(name)
        if kind is None:
            yield Finding(
                "map", name, "has a queue and no handlers", "Deploy the code that has them"
            )
            continue
        handled = Handlers(object.__new__(kind)).consumes
        remedy = "Change the map or add the handler; both ship together"
        if unhandled := sorted(service.consumes - handled):
            problem = f"consumes {', '.join(unhandled)}, which no handler takes"
            yield Finding("map", name, problem, remedy)
        if unfed := sorted(handled - service.consumes):
            problem = f"handles {', '.join(unfed)}, which the map does not send it"
            yield Finding("map", name, problem, remedy)


def timeout_findings(settings: Settings, topology: Topology) -> Iterator[Finding]:
    """Compare the stop timeout with the longest call of a handler, and look at overrides."""
    deadline = Deadline(settings.stop_timeout, now=lambda: 0.0)
    deadline.start()
    left = deadline.handlers_until
    for name in topology.consumers:
        stripe = name == "payment" and settings.stripe_api_key is not None
        longest = max(LONGEST_AWS_CALL, LONGEST_GATEWAY_CALL if stripe else 0.0)
        if left < longest:
            yield Finding(
                "setting",
                "STOP_TIMEOUT",
                f"{settings.stop_timeout} s leave a handler of {name} {left:.0f} s, and one of its "
                f"calls may take {longest:.0f} s: a deploy interrupts it",
                "Raise it; Fargate allows 120 s",
            )
    hidden = settings.visibility_timeout
    if hidden is not None and hidden < MIN_VISIBILITY_TIMEOUT:
        yield Finding(
            "setting",
            "VISIBILITY_TIMEOUT",
            f"{hidden} s are too few to renew in time: messages are delivered twice",
            f"Set at least {MIN_VISIBILITY_TIMEOUT}",
        )


def variable_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Report variables that resemble a setting. Never quotes a value."""
    for name, setting in misspelt(environment).items():
        yield Finding("setting", name, "is read by nothing", f"Did you mean {setting}?")


def region_findings(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Report a region that only the AWS CLI reads."""
    other = environment.get("AWS_DEFAULT_REGION")
    if other and other != settings.aws_region:
        problem = f"is {other}, but the workers use {settings.aws_region}, from AWS_REGION"
        yield Finding("setting", "AWS_DEFAULT_REGION", problem, "Set both to the same region")


def clock_findings(date: str, now: datetime) -> Iterator[Finding]:
    """Compare the clock of this machine with the Date header of an answer."""
    if not date:
        return
    skew = (now - parsedate_to_datetime(date)).total_seconds()
    if abs(skew) > LARGEST_SKEW:
        side = "ahead of" if skew > 0 else "behind"
        problem = f"is {abs(skew):.0f} s {side} AWS, which refuses signatures at 300 s"
        yield Finding("clock", "of this machine", problem, "Synchronise it (NTP)")
