"""Runs every check at once, each with a limit of time, and sorts the findings."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Thread
from typing import Final

from workers.aws.clients import Clients
from workers.ops.doctor import alarms, payloads, queues, setup, tables, topic
from workers.ops.doctor.finding import Finding, unchecked
from workers.ops.doctor.scope import Scope
from workers.runtime.errors import (
    FatalError,
    PermanentError,
    SettingsError,
    TransientError,
)
from workers.settings import Settings
from workers.topology import Topology

TIMEOUT: Final = 6.0  # s for all checks together; a request gives up after 5 s
EXPECTED: Final = (FatalError, PermanentError, SettingsError, TransientError)
ALLOW: Final = "Allow it, or ask somebody who may"

Check = Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Diagnosis:
    """The findings, and where they were found."""

    place: str
    caller: str  # the ARN of the identity; "" if unknown
    checks: int
    findings: tuple[Finding, ...]


def diagnose(
    clients: Clients, settings: Settings, topology: Topology, environment: Mapping[str, str]
) -> Diagnosis:
    """Examine the system. Never raises for something that is wrong with it."""
    local = list(local_checks(settings, topology, environment))
    try:
        scope = Scope.connect(clients, settings, topology, environment)
    except EXPECTED as error:
        remedy = "Check credentials, AWS_REGION and AWS_ENDPOINT_URL; `aws sts get-caller-identity`"
        cannot = unchecked("credentials", "of this shell", error, remedy)
        found = [cannot, *run(local)]
        return Diagnosis(f"region {settings.aws_region}", "", len(local) + 1, tuple(found))
    checks = [*local, *remote_checks(scope)]
    findings = collapsed(run(checks), scope)
    return Diagnosis(scope.place, scope.identity.arn, len(checks), tuple(findings))


def local_checks(
    settings: Settings, topology: Topology, environment: Mapping[str, str]
) -> Iterator["Named"]:
    """Return the checks that ask nobody."""
    yield Named("map", "handlers", partial(setup.handler_findings, topology))
    yield Named("setting", "timeouts", partial(setup.timeout_findings, settings, topology))
    yield Named("setting", "names", partial(setup.variable_findings, environment))
    yield Named("setting", "region", partial(setup.region_findings, settings, environment))


def remote_checks(scope: Scope) -> Iterator["Named"]:
    """Return the checks that ask AWS: one for each resource."""
    date = scope.identity.date
    yield Named("clock", "", partial(setup.clock_findings, date, datetime.now(UTC)))
    yield Named("topic", scope.topology.topic, partial(topic.examine_topic, scope))
    for service in scope.topology.consumers:
        for examine in (queues.examine_queue, queues.examine_dlq, topic.examine_subscription):
            yield Named("service", service, partial(examine, scope, service))
    for table in scope.topology.tables:
        yield Named("table", table, partial(tables.examine_table, scope, table))
    if scope.settings.payload_bucket:
        examine_payloads = partial(payloads.examine_payloads, scope)
        yield Named("bucket", scope.settings.payload_bucket, examine_payloads)
    if scope.on_aws:
        for service in scope.topology.consumers:
            examine_undelivered = partial(queues.examine_undelivered, scope, service)
            yield Named("service", service, examine_undelivered)
        yield Named("topic", scope.topology.topic, partial(topic.examine_filtered_out, scope))
        yield Named("alarm", "all", partial(alarms.examine_alarms, scope))


@dataclass
class Named:
    """A check, and what it is about; ``findings`` is None until it has run."""

    area: str
    subject: str
    check: Check
    findings: list[Finding] | None = field(default=None, init=False)

    def run(self) -> None:
        """Run the check. What prevents it is a finding too."""
        try:
            self.findings = list(self.check())
        except EXPECTED as error:
            self.findings = [unchecked(self.area, self.subject, error, ALLOW)]
        except Exception as error:  # noqa: BLE001 - an answer that nobody expected must not end the report
            text = f"{type(error).__name__}: {error}"
            self.findings = [unchecked(self.area, self.subject, text, "Please report it")]


def run(checks: Iterable[Named], *, timeout: float = TIMEOUT) -> list[Finding]:
    """Run checks at once, each in a thread; those that are late are not waited for."""
    checks = list(checks)
    threads = [Thread(target=each.run, name=each.area, daemon=True) for each in checks]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {timeout:.0f} s"
    return [
        finding
        for each in checks
        for finding in (
            each.findings
            if each.findings is not None
            else [unchecked(each.area, each.subject, late, "Try again")]
        )
    ]


def collapsed(findings: list[Finding], scope: Scope) -> list[Finding]:
    """Say once what is the same everywhere: nothing exists, or nothing answers."""
    missing = {each.subject for each in findings if each.kind == "missing"}
    expected = {
        *queues.names(scope.topology.consumers, scope),
        *(scope.settings.table(table) for table in scope.topology.tables),
    }
    if expected <= missing:
        remedy = "Check AWS_REGION, NAME_PREFIX, AWS_PROFILE and AWS_ENDPOINT_URL"
        problem = f"none of its queues and tables exist in {scope.place}"
        nothing = Finding("system", "-", problem, remedy, kind="missing")
        findings = [nothing, *(each for each in findings if each.area in ("setting", "map"))]
    return _once(findings)


def _once(findings: list[Finding]) -> list[Finding]:
    """Merge checks that could not run for the same reason."""
    merged: dict[tuple[str, str], list[Finding]] = {}
    for each in findings:
        key = ("", each.problem) if each.kind == "unchecked" else (each.subject, each.line())
        merged.setdefault(key, []).append(each)
    result = []
    for same in merged.values():
        subjects = ", ".join(dict.fromkeys(each.subject for each in same))
        first = same[0]
        result.append(Finding(first.area, subjects, first.problem, first.remedy, first.kind))
    return result
