"""The commands of the development package: ``workers demo``, ``local``, ``chaos`` and ``cost``."""

import sys
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from workers.cli.console import USAGE, Json, fail, print_json, say, show

commands = typer.Typer()
chaos = typer.Typer(help="Break the whole system on this machine.", no_args_is_help=True)
commands.add_typer(chaos, name="chaos")


@commands.command(epilog="Example: workers demo --orders 200 --json")
def demo(
    orders: Annotated[int, typer.Option(min=6, max=2_000, help="How many to place.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed plans the same orders.")] = 7,
    *,
    as_json: Json = False,
) -> None:
    """Run the whole system on this machine, play every scenario and check every expectation."""
    from local.demo.play import play_demo

    sys.exit(play_demo(orders=orders, seed=seed, as_json=as_json))


@chaos.command(
    "run",
    epilog="Examples: workers chaos run --seed 3 --orders 300; "
    "workers chaos run --faults kill,stop --json",
)
def chaos_run(
    orders: Annotated[int, typer.Option(min=20, max=100_000, help="How many to place.")] = 300,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed does the same to the same orders.")
    ] = 1,
    faults: Annotated[
        str,
        typer.Option(
            help="Names, separated by commas; unset: all. On processes: kill, crash, stop, "
            "partition, deploy, clock. On requests: drop_before, drop_after, throttle, error, "
            "delay, duplicate, partial, stale, expired, conflict."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(min=1, max=20, help="Processes per consumer.")] = 1,
    beside: Annotated[
        str, typer.Option(help="A commit whose code runs beside this one, a process of each.")
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """Place orders while processes are killed and requests fail; then check every invariant."""
    from local.chaos.faults import UnknownFault, parse

    try:
        asked = parse(faults)
    except UnknownFault as error:
        fail(error, USAGE)
    from local.chaos.play import play
    from local.chaos.runner import Options

    sys.exit(play(Options(orders, seed, asked, workers, beside), as_json=as_json))


@commands.command(epilog="Example: workers local --port 8080 --endpoint-port 4566")
def local(
    port: Annotated[int, typer.Option(help="Port of order-api; 0 takes a free one.")] = 8080,
    endpoint_port: Annotated[int, typer.Option(help="Port of the embedded AWS.")] = 4566,
) -> None:
    """Keep the whole system up on this machine, to play with, until Ctrl-C."""
    from local.demo.play import play_local

    sys.exit(play_local(port=port, endpoint_port=endpoint_port))


@commands.command(epilog="Example: workers cost --rate 50 --handler-ms 50")
def cost(
    rate: Annotated[float, typer.Option(help="Messages a second, all month.")],
    handler_ms: Annotated[float, typer.Option(help="What a handler takes, waiting included.")],
    *,
    payload_kib: Annotated[float, typer.Option(help="Size of a message.")] = 1.0,
    region: Annotated[str, typer.Option(help="Whose prices.")] = "eu-west-1",
    concurrency: Annotated[int, typer.Option(help="Handlers at a time in a task.")] = 10,
    cpu: Annotated[int, typer.Option(help="CPU units of a task; 1024 are one vCPU.")] = 256,
    memory: Annotated[int, typer.Option(help="MiB of a task.")] = 512,
    arch: Annotated[Literal["arm64", "x86_64"], typer.Option(help="Of a task.")] = "arm64",
    as_json: Json = False,
) -> None:
    """Estimate what one consumer costs on AWS, and what it would with one delete per message."""
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
