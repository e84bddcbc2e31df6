"""Runs one peer in one scenario and returns its figures."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import environments, messages
from bench.environments import NotInstalled
from bench.figures import Figures, drained_figures, idle_figures, memory_figures
from bench.lineup import Peer
from bench.scenarios import Scenario, arrivals
from bench.shop import ask_the_api, follow_orders
from bench.stage import Died, Stage, staged
from bench.staging import Staging

IDLE = 60.0  # s
_POLL_INTERVAL = 0.25  # s
_CALM = 0.015  # s of CPU time per poll interval, below which a process has warmed up
_CALM_INTERVALS = 3  # in a row
_LONGEST_WARM_UP = 60.0  # s; seconds on an idle machine
_SLICE = 2.0  # s between checks that the peer is alive during a drain


@dataclass(frozen=True)
class Run:
    """The result of one run."""

    peer: str
    scenario: str
    problem: str = ""  # why the figures are missing or not comparable
    figures: Figures = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)
    took: float = 0.0  # s, with starting and stopping the processes


@dataclass(frozen=True)
class Conditions:
    """The options of the command line that change a scenario."""

    messages: int | None = None
    wrapped: bool = False  # in SNS notifications, for every peer that takes plain bodies


def run(
    peer: Peer, scenario: Scenario, conditions: Conditions, folder: Path, *, seed: int = 0
) -> Run:
    """Run one peer in one scenario; peers that get the same ``seed`` meet the same faults.

    A problem is part of the result, never an exception, so that one peer cannot end a run of
    half an hour.
    """
    begin = time.monotonic()
    done = _attempt(peer, scenario, conditions, folder, seed)
    return replace(done, took=round(time.monotonic() - begin, 1))


def _attempt(
    peer: Peer, scenario: Scenario, conditions: Conditions, folder: Path, seed: int
) -> Run:
    staging = Staging(
        peer=peer,
        concurrency=scenario.concurrency,
        visibility_timeout=scenario.visibility_timeout,
        faults={**scenario.faults, "seed": seed},
        replicas=scenario.replicas,
        trace=folder / f"{scenario.name}-{peer.name}.trace" if scenario.trace else None,
        log=folder / f"{scenario.name}-{peer.name}.log",
        tls=scenario.tls,
    )
    if staging.trace:
        staging.trace.unlink(missing_ok=True)
    blank = Run(peer.name, scenario.name)
    try:
        command = environments.command(peer)
        with staged(staging) as stage:
            return replace(blank, **_KINDS[scenario.kind](stage, command, scenario, conditions))
    except NotInstalled as error:
        return replace(blank, problem=f"not installed: {error}")
    except (Died, OSError) as error:
        return replace(blank, problem=str(error) or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - whatever a peer answers, the others get their turn
        with staging.log.open("a") as log:
            traceback.print_exc(file=log)
        return replace(blank, problem=f"{type(error).__name__}: {error}")


def _drain(
    stage: Stage, command: Sequence[str], scenario: Scenario, conditions: Conditions
) -> dict[str, Any]:
    """Warm the peer up, release the messages and wait until none is left."""
    peer = stage.staging.peer
    wire = peer.wire
    if conditions.wrapped and wire is messages.raw:
        wire = messages.sns
    number = _number(stage, scenario, conditions)
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


def _order(
    stage: Stage, command: Sequence[str], scenario: Scenario, conditions: Conditions
) -> dict[str, Any]:
    return follow_orders(
        stage, command, _number(stage, scenario, conditions), timeout=scenario.timeout
    )


def _api(
    stage: Stage, command: Sequence[str], scenario: Scenario, conditions: Conditions
) -> dict[str, Any]:
    return ask_the_api(stage, command, _number(stage, scenario, conditions))


def _idle(stage: Stage, command: Sequence[str], *_: object) -> dict[str, Any]:
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


def _start(stage: Stage, command: Sequence[str], *_: object) -> dict[str, Any]:
    """Measure the time from exec to the first receive."""
    begin = time.time()
    stage.start_peer(command)
    _until(stage, lambda: "first receive" in stage.ask("report")["samples"], _LONGEST_WARM_UP)
    first = stage.ask("report")["samples"]["first receive"]
    return {"figures": {"start cpu": first["cpu"], "start wall": first["at"] - begin}}


_KINDS: dict[str, Callable[[Stage, Sequence[str], Scenario, Conditions], dict[str, Any]]] = {
    "api": _api,
    "drain": _drain,
    "idle": _idle,
    "order": _order,
    "start": _start,
}


def _number(stage: Stage, scenario: Scenario, conditions: Conditions) -> int:
    """Return how many messages or orders a peer gets."""
    peer = stage.staging.peer
    share = scenario.fewer.get(peer.name, peer.share if scenario.shares else 1.0)
    return round((conditions.messages or scenario.messages) * share)


def warm_up(stage: Stage) -> None:
    """Wait until the peer polls and its CPU use has settled."""
    last, calm = 0.0, 0

    def is_warm() -> bool:
        nonlocal last, calm
        spent = stage.cpu_seconds()
        calm = calm + 1 if spent - last < _CALM * len(stage.processes) else 0
        last = spent
        return calm >= _CALM_INTERVALS and bool(
            stage.ask("report")["actions"].get("SQS.ReceiveMessage")
        )

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
