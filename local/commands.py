"""The commands of the development package, such as ``workers demo``, ``local`` and ``cost``."""

import os
import sys
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from local import running
from workers.cli.console import USAGE, Json, fail, print_json, say, show
from workers.topology import FIFO_VARIABLE, Topology

Fifo = Annotated[bool, typer.Option("--fifo", help="FIFO topic and queues, whatever the map says.")]

commands = typer.Typer()
chaos = typer.Typer(help="Inject faults into the system on this machine.", no_args_is_help=True)
commands.add_typer(chaos, name="chaos")
commands.add_typer(running.commands, name="local")


@commands.command(epilog="Example: workers demo --orders 200 --json")
def demo(
    orders: Annotated[int, typer.Option(min=6, max=2_000, help="Number of orders.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed plans the same orders.")] = 7,
    *,
    fifo: Fifo = False,
    as_json: Json = False,
) -> None:
    """Run the system on this machine, play every scenario and check the results."""
    from local.demo.cli import run_demo

    _choose(fifo=fifo)
    sys.exit(run_demo(orders=orders, seed=seed, as_json=as_json))


@chaos.command(
    "run",
    epilog="Examples: workers chaos run --seed 3 --orders 300; "
    "workers chaos run --faults kill,stop --json",
)
def chaos_run(
    orders: Annotated[int, typer.Option(min=20, max=100_000, help="Number of orders.")] = 300,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed injects the same faults into the same orders.")
    ] = 1,
    faults: Annotated[
        str,
        typer.Option(
            help="Comma-separated faults (default: all). Processes: kill, crash, stop, "
            "partition, deploy, clock. Requests: drop_before, drop_after, throttle, error, "
            "delay, duplicate, partial, stale, expired, conflict."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(min=1, max=20, help="Processes per consumer.")] = 1,
    beside: Annotated[
        str, typer.Option(help="Also run one process of each consumer from this commit.")
    ] = "",
    *,
    fifo: Fifo = False,
    as_json: Json = False,
) -> None:
    """Place orders while processes are killed and requests fail, then check all invariants."""
    from local.chaos.faults import UnknownFault, parse

    try:
        asked = parse(faults)
    except UnknownFault as error:
        fail(error, USAGE)
    from local.chaos.cli import run_chaos
    from local.chaos.runner import Options

    _choose(fifo=fifo)
    options = Options(orders, seed, asked, workers, beside, fifo=Topology.load().fifo)
    sys.exit(run_chaos(options, as_json=as_json))


def _choose(*, fifo: bool) -> None:
    """Choose the kind of topic and queues for this process and those that it starts."""
    if fifo:
        os.environ[FIFO_VARIABLE] = "true"


@commands.command(epilog="Example: workers cost --rate 50 --handler-ms 50")
def cost(
    rate: Annotated[float, typer.Option(help="Average messages per second over the month.")],
    handler_ms: Annotated[float, typer.Option(help="Duration of a handler, including waiting.")],
    *,
    payload_kib: Annotated[float, typer.Option(help="Message size.")] = 1.0,
    region: Annotated[str, typer.Option(help="AWS region of the prices.")] = "eu-west-1",
    concurrency: Annotated[int, typer.Option(help="Concurrent handlers per task.")] = 10,
    cpu: Annotated[int, typer.Option(help="CPU units per task (1024 = 1 vCPU).")] = 256,
    memory: Annotated[int, typer.Option(help="Memory per task (MiB).")] = 512,
    arch: Annotated[
        Literal["arm64", "x86_64"], typer.Option(help="CPU architecture of the tasks.")
    ] = "arm64",
    as_json: Json = False,
) -> None:
    """Estimate the cost of one consumer on AWS, with batched and with single deletes."""
    from local.cost import bill
    from local.cost.model import estimate
    from local.cost.price_list import Measured, Prices
    from local.cost.task import Task

    try:
        task, measured, prices = Task(cpu, memory, arch), Measured.load(), Prices.load(region)
        found = estimate(
            rate,
            handler_ms,
            payload_kib=payload_kib,
            concurrency=concurrency,
            task=task,
            measured=measured,
            prices=prices,
        )
    except ValueError as error:
        fail(error, USAGE)
    assumptions = bill.assumptions(found, task, measured, prices)
    if as_json:
        print_json({**asdict(found), "assumptions": assumptions})
    else:
        show(bill.rows(found))
        say("\n" + "\n".join(f"- {line}" for line in assumptions))


@commands.command(
    epilog="Examples: workers capacity --orders-per-second 50; "
    "workers capacity --orders-per-second 100 --peak 1000 --ramp 300 --json"
)
def capacity(
    orders_per_second: Annotated[float, typer.Option(help="Average over the month.")],
    *,
    peak: Annotated[
        float | None, typer.Option(help="Orders per second at the peak (default: the average).")
    ] = None,
    ramp: Annotated[float, typer.Option(help="Seconds from the average to the peak.")] = 300,
    hold: Annotated[float, typer.Option(help="Seconds that the peak lasts.")] = 1_800,
    environment: Annotated[
        str, typer.Option(help="Whose tasks and limits: a file of terraform/environments.")
    ] = "prod",
    region: Annotated[str, typer.Option(help="AWS region of prices and quotas.")] = "eu-west-1",
    seed: Annotated[int, typer.Option(help="The same seed simulates the same run.")] = 1,
    as_json: Json = False,
) -> None:
    """Plan tasks, quotas and cost for a rate of orders, and simulate how scaling follows it."""
    from local.capacity import report
    from local.capacity.deployment import Deployment
    from local.capacity.plan import plan
    from local.capacity.scenarios import Shape, simulate

    highest = orders_per_second if peak is None else peak
    try:
        deployment = Deployment.load(environment)
        planned = plan(deployment, orders_per_second, highest, region=region)
        shape = Shape(orders_per_second, highest, ramp=ramp, hold=hold)
        outcome = simulate(deployment, shape, region=region, seed=seed)
    except ValueError as error:
        fail(error, USAGE)
    if as_json:
        print_json(report.document(planned, outcome))
        return
    for title, rows in report.tables(planned, outcome):
        say(f"\n{title}\n")
        show(rows)
    say("\n" + "\n".join(f"- {line}" for line in report.assumptions(deployment)))
