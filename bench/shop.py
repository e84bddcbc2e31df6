"""Runs the services of a shop on the stand-in and places orders: scenarios order and api."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Figures, memory_figures, percentiles
from bench.load import Placed, Refused, place, wait_for
from bench.money import dollars
from bench.processes import cpu_seconds
from bench.stage import Died, Stage
from local.ports import release_port, reserve_port
from workers.topology import Topology

API = "order-api"
CONNECTIONS = 16  # clients at once
_WARM_UP = 20  # orders
_HALF_LOAD = 10.0  # s of orders at half of the rate that was reached
_POLL_INTERVAL = 0.1  # s
_AFTERWARDS = 0.5  # s without a request, after which the API has published what it will
_LONGEST_WARM_UP = 60.0  # s
MILLION = 1_000_000


@dataclass
class Shop:
    """The running services, by name."""

    stage: Stage
    port: int
    services: Mapping[str, "subprocess.Popen[bytes]"]

    def cpu(self) -> dict[str, float]:
        """Return the CPU time of each service so far (s)."""
        return {name: cpu_seconds(process.pid) for name, process in self.services.items()}

    def settle(self, orders: Sequence[Placed], timeout: float) -> Any:
        """Wait until orders are confirmed and all queues are empty; return the stand-in's report.

        Raises ``Died``.
        """
        deadline = time.monotonic() + timeout
        while True:
            if self.stage.ask("drained", timeout=_POLL_INTERVAL):
                report = self.stage.ask("report")
                if all(order.order_id in report["confirmed"] for order in orders):
                    return report
                time.sleep(_POLL_INTERVAL)
            self.stage.check()
            if time.monotonic() > deadline:
                raise Died(f"not finished after {timeout:.0f} s: {self._backlog()}")

    def _backlog(self) -> str:
        queues = self.stage.ask("report")["queues"]
        return ", ".join(f"{name} {each['live']}" for name, each in queues.items() if each["live"])


def follow_orders(
    stage: Stage, command: Sequence[str], number: int, *, timeout: float
) -> dict[str, Any]:
    """Place orders as fast as they are accepted, then at half of the rate that was reached."""
    port = reserve_port()
    try:
        shop = _open(stage, command, port, Topology.load().services)
        stage.ask("release")
        before, begin, standin = shop.cpu(), time.time(), cpu_seconds(stage.standin)
        orders = place(port, number, connections=CONNECTIONS)
        report = shop.settle(orders, timeout)
        end, after = max(report["confirmed"].values()), shop.cpu()
        figures = _per_order(report, before, after, number)
        figures["standin"] = 1000 * (cpu_seconds(stage.standin) - standin) / number
        figures["rate"] = number / (end - begin)
        stage.ask("release")
        half = figures["rate"] / 2
        fewer = max(1, min(number, int(_HALF_LOAD * half)))
        paced = place(port, fewer, connections=CONNECTIONS, rate=half)
        confirmed = shop.settle(paced, timeout)["confirmed"]
        waits = [confirmed[order.order_id] - order.at for order in paced]
        figures |= {"half load": half, **percentiles("order", waits)}
        figures |= memory_figures(stage.memory())
    except Refused as error:
        raise Died(f"{error}; {stage.last_line(stage.staging.log)}") from None
    finally:
        release_port(port)
    return {"figures": figures, "actions": report["actions"]}


def ask_the_api(stage: Stage, command: Sequence[str], number: int) -> dict[str, Any]:
    """Place orders with one process of the API and no consumer."""
    port = reserve_port()
    try:
        shop = _open(stage, command, port, (API,))
        stage.ask("release")
        before, begin = shop.cpu(), time.time()
        orders = place(port, number, connections=CONNECTIONS)
        wall = time.time() - begin
        _published(stage)
        spent = sum(shop.cpu().values()) - sum(before.values())
        report = stage.ask("report")
    except Refused as error:
        raise Died(f"{error}; {stage.last_line(stage.staging.log)}") from None
    finally:
        release_port(port)
    figures = {
        "messages": number,
        "cpu": 1000 * spent / number,
        "rate": number / wall,
        "per core": number / spent,
        "published": report["published"],
        **percentiles("answer", [order.took for order in orders]),
        **_requests(report["actions"], number),
        **memory_figures(stage.memory()),
    }
    return {"figures": figures, "actions": report["actions"]}


def _published(stage: Stage) -> None:
    """Wait until the API makes no more requests: it has published, and has noted that.

    order-api may leave an order to the relay, which does not run here, so the number of events is
    not what to wait for.
    """
    deadline, last = time.monotonic() + _LONGEST_WARM_UP, None
    while (actions := stage.ask("report")["actions"]) != last and time.monotonic() < deadline:
        last = actions
        time.sleep(_AFTERWARDS)


def _open(stage: Stage, command: Sequence[str], port: int, names: Sequence[str]) -> Shop:
    """Create the resources, start the services, and wait until orders pass through all of them."""
    stage.provision()
    environment = {
        "PORT": str(port),
        "METRICS_PORT": "0",
        "ENVIRONMENT": "bench",
        "LOG_LEVEL": "info",
    }
    wanted = [name for name in names if name not in stage.staging.peer.without]
    services = {name: stage.start_service(name, [*command, name], environment) for name in wanted}
    shop = Shop(stage, port, services)
    wait_for(port, stage.check)
    orders = place(port, _WARM_UP, connections=CONNECTIONS)
    if len(services) > 1:
        shop.settle(orders, _LONGEST_WARM_UP)
    time.sleep(_AFTERWARDS)
    return shop


def _per_order(
    report: Mapping[str, Any], before: Mapping[str, float], after: Mapping[str, float], number: int
) -> Figures:
    spent = {name: 1000 * (after[name] - before[name]) / number for name in after}
    total = sum(spent.values())
    per_order = _requests(report["actions"], number)
    units = {name: report["units"].get(name, 0) / number for name in ("write units", "read units")}
    return {
        "messages": number,
        "cpu": total,
        **{f"cpu {name}": each for name, each in spent.items()},
        **per_order,
        **units,
        "per core": 1000 / total,
        "emails": report["emails"] / number,
        "dollars": MILLION * dollars(per_order, units, cpu=total / 1000),
    }


def _requests(actions: Mapping[str, int], number: int) -> Figures:
    return {
        service.lower(): sum(n for name, n in actions.items() if name.startswith(f"{service}."))
        / number
        for service in ("SQS", "SNS", "DynamoDB", "SES")
    }
