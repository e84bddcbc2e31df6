"""Computes the figures of a run from the counts of the stand-in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.messages import number_of
from bench.processes import Memory
from bench.stage import Stage
from bench.staging import Staging

Figures = dict[str, float]
_BATCH = 10


def drained_figures(stage: Stage, work: Sequence[float]) -> Figures:
    """Return the figures of a run with ``work`` (s per handler)."""
    staging, report = stage.staging, stage.ask("report")
    queue = report["queues"][staging.peer.queue]
    begin = report["samples"]["released"]
    end = report["samples"].get("drained") or report["samples"]["now"]
    done, wall = queue.get("deleted", 0), end["at"] - begin["at"]
    slots = staging.concurrency * staging.replicas
    actions: Mapping[str, int] = report["actions"]
    figures = {
        "messages": done,
        "wall": wall,
        "requests": 1000 * sum(actions.values()) / max(1, done),
        "cpu": 1000 * (end["cpu"] - begin["cpu"]) / max(1, done),
        "rate": done / wall,
        "duplicates": queue.get("duplicates", 0),
        "stale": queue.get("stale deletes", 0),
        "in flight": queue["most in flight"],
        "renewals": sum(n for name, n in actions.items() if "ChangeMessageVisibility" in name),
        "renewals needed": _renewals_needed(staging, queue["held"], wall),
        "rush": report["rush"],
        "published": report["published"],
        "dead letters": report["queues"][f"{staging.peer.queue}-dlq"]["live"],
        **_requests_per_message(actions, done),
        **percentiles("latency", queue["latencies"]),
    }
    if staging.peer.handles:
        figures["utilisation"] = sum(work) / (wall * slots)
    if staging.peer.handles and staging.trace:
        figures |= _traced(staging.trace, queue["sent"])
    return figures


def idle_figures(actions: Mapping[str, int], cpu: float) -> Figures:
    """Return the figures of a minute without messages."""
    return {"idle requests": sum(actions.values()), "idle cpu": cpu}


def memory_figures(replicas: Sequence[Memory]) -> Figures:
    """Return the total memory of a peer."""
    return {
        "resident": sum(each.resident for each in replicas),
        "proportional": sum(each.proportional for each in replicas),
        "processes": sum(each.processes for each in replicas),
    }


def _renewals_needed(staging: Staging, held: float, wall: float) -> float:
    """Return the requests needed to renew messages held for ``held`` s in total.

    Each message is renewed once per half visibility timeout. A request renews at most ten
    messages of one process.
    """
    half = staging.visibility_timeout / 2
    return max(held / half / _BATCH, wall / half * staging.replicas)


def _requests_per_message(actions: Mapping[str, int], done: int) -> Figures:
    return {
        service.lower(): sum(n for name, n in actions.items() if name.startswith(f"{service}."))
        / max(1, done)
        for service in ("SQS", "SNS", "DynamoDB")
    }


def _traced(trace: Path, sent: Sequence[float]) -> Figures:
    """Compare the starts of handlers with the messages sent: a message without a start is lost."""
    started: dict[int, float] = {}
    for line in trace.read_text("ascii").splitlines() if trace.exists() else ():
        order, at = line.split()
        started.setdefault(number_of(order), float(at))
    waits = [at - sent[number] for number, at in started.items()]
    return {"lost": len(sent) - len(started), **percentiles("start", waits)}


def percentiles(name: str, seconds: Sequence[float]) -> Figures:
    """Return the 50th and the 99th percentile (ms)."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {
        f"{name} p{percent}": 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        for percent in (50, 99)
    }
