"""Runs one peer in one scenario and returns its figures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import environments, messages
from bench.environments import NotInstalled
from bench.figures import Figures, drained_figures, idle_figures, memory_figures
from bench.lineup import Peer
from bench.scenarios import Scenario, arrivals
from bench.stage import Died, Stage, Staging, staged

IDLE = 60.0  # s
_CALM = 0.03  # s of CPU time per 0.5 s, below which a process has warmed up
_LONGEST_WARM_UP = 20.0  # s
_MANY = 10_000  # messages, from which on slow peers get only a share
_POLL_INTERVAL = 0.5  # s
_SLICE = 2.0  # s between checks that the peer is alive during a drain


@dataclass(frozen=True)
class Run:
    """The result of one run."""

    peer: str
    scenario: str
    problem: str = ""  # why the figures are missing or not comparable
    figures: Figures = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Conditions:
    """The options of the command line that change a scenario."""

    messages: int | None = None
    wrapped: bool = False  # in SNS notifications, for every peer that takes plain bodies


def run(peer: Peer, scenario: Scenario, conditions: Conditions, folder: Path) -> Run:
    """Run one peer in one scenario. A problem is part of the result, not an exception."""
    staging = Staging(
        peer=peer,
        concurrency=scenario.concurrency,
        visibility_timeout=scenario.visibility_timeout,
        faults=scenario.faults,
        replicas=scenario.replicas,
        trace=folder / f"{scenario.name}-{peer.name}.trace" if scenario.trace else None,
        log=folder / f"{scenario.name}-{peer.name}.log",
    )
    if staging.trace:
        staging.trace.unlink(missing_ok=True)
    blank = Run(peer.name, scenario.name)
    try:
        command = environments.command(peer)
        with staged(staging) as stage:
            if scenario.kind == "idle":
                return replace(blank, **_idle(stage, command))
            if scenario.kind == "start":
                return replace(blank, **_start(stage, command))
            return replace(blank, **_drain(stage, command, scenario, conditions))
    except NotInstalled as error:
        return replace(blank, problem=f"not installed: {error}")
    except (Died, OSError) as error:
        return replace(blank, problem=str(error))


def _drain(
    stage: Stage, command: Sequence[str], scenario: Scenario, conditions: Conditions
) -> dict[str, Any]:
    """Warm the peer up, release the messages and wait until none is left."""
    peer = stage.staging.peer
    wire = peer.wire
    if conditions.wrapped and wire is messages.raw:
        wire = messages.sns
    # Only messages that are all there at once are reduced: a rate is the same for all peers.
    share = peer.share if scenario.messages >= _MANY and not scenario.rate else 1.0
    number = round((conditions.messages or scenario.messages) * share)
    work = scenario.work(number)
    envelopes = messages.envelopes(work)
    bodies = [wire(envelope, number) for number, envelope in enumerate(envelopes)]
    delays = arrivals(scenario, number)
    stage.load(bodies, delays)
    stage.start_peer(command)
    warm_up(stage)
    stage.ask("release")
    timeout = scenario.timeout + max(delays)
    emptied = wait(stage, timeout)
    figures = drained_figures(stage, work) | memory_figures(stage.memory())
    problem = "" if emptied else f"not finished after {timeout:.0f} s"
    if dead := figures["dead letters"]:
        problem = f"{dead:.0f} dead letters"
    return {"figures": figures, "actions": stage.ask("report")["actions"], "problem": problem}


def _idle(stage: Stage, command: Sequence[str]) -> dict[str, Any]:
    """Count the requests and the CPU time of a peer without messages."""
    stage.start_peer(command)
    warm_up(stage)
    stage.ask("release")
    before = stage.cpu_seconds()
    time.sleep(IDLE)
    stage.check()
    actions = stage.ask("report")["actions"]
    figures = idle_figures(actions, stage.cpu_seconds() - before)
    return {"figures": figures | memory_figures(stage.memory()), "actions": actions}


def _start(stage: Stage, command: Sequence[str]) -> dict[str, Any]:
    """Measure the time from exec to the first receive."""
    begin = time.time()
    stage.start_peer(command)
    _until(stage, lambda: "first receive" in stage.ask("report")["samples"], _LONGEST_WARM_UP)
    first = stage.ask("report")["samples"]["first receive"]
    return {"figures": {"start cpu": first["cpu"], "start wall": first["at"] - begin}}


def warm_up(stage: Stage) -> None:
    """Wait until the peer polls and its CPU use has settled."""
    last, calm = 0.0, 0

    def is_warm() -> bool:
        nonlocal last, calm
        spent = stage.cpu_seconds()
        calm = calm + 1 if spent - last < _CALM * len(stage.processes) else 0
        last = spent
        return calm > 1 and bool(stage.ask("report")["actions"].get("SQS.ReceiveMessage"))

    _until(stage, is_warm, _LONGEST_WARM_UP)


def _until(stage: Stage, condition: Callable[[], bool], patience: float) -> None:
    """Wait for a condition. Raises ``Died`` if the peer ends, or after ``patience`` s."""
    deadline = time.monotonic() + patience
    while not condition():
        stage.check()
        if time.monotonic() > deadline:
            raise Died(f"not ready within {patience:.0f} s: {stage.last_line()}")
        time.sleep(_POLL_INTERVAL)


def wait(stage: Stage, timeout: float) -> bool:
    """Wait until the queue is empty; False if it takes longer than ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if stage.ask("drained", timeout=_SLICE):
            return True
        stage.check()
    return False
