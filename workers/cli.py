"""The command line: the only place that prints for people.

Exit codes: 0 done, 1 failed, 2 usage or settings, 75 interrupted.
"""

import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

import orjson
import typer

from workers.healthcheck import ask
from workers.runtime import logs
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.lines import Lines
from workers.settings import Settings, SettingsError
from workers.topology import Topology, TopologyError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
WIDE: Final = 500  # characters
OF_THE_EMBEDDED_AWS: Final = ("cheroot", "httpx", "moto")  # not in the image

app = typer.Typer(
    add_completion=False,
    help="An event-driven order pipeline on SNS, SQS and containers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dlq = typer.Typer(
    help="Look into dead-letter queues and bring messages back.", no_args_is_help=True
)
outbox = typer.Typer(
    help="What waits to be published, and what was set aside.", no_args_is_help=True
)
schema = typer.Typer(help="The contract of the events.", no_args_is_help=True)
stock = typer.Typer(help="What the inventory has.", no_args_is_help=True)
chaos = typer.Typer(help="Break the whole system on this machine.", no_args_is_help=True)
app.add_typer(chaos, name="chaos")
app.add_typer(dlq, name="dlq")
app.add_typer(outbox, name="outbox")
app.add_typer(schema, name="schema")
app.add_typer(stock, name="stock")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this, only say what would be.")]
ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="A service of the map.")]


def main() -> None:
    """Run the command line and end the process."""
    try:
        app()
    except (SettingsError, TopologyError) as error:
        _fail(error, USAGE)
    except (FatalError, PermanentError, Unavailable) as error:
        _fail(error, FAILED)
    except ModuleNotFoundError as error:
        if error.name not in OF_THE_EMBEDDED_AWS:
            raise
        _fail(f"{error.name} is not here: this command needs pip install 'workers[local]'", FAILED)


@app.command(epilog="Example: workers run payment")
def run(service: ServiceName) -> None:
    """Run one service until it is stopped: a long-running process, one per container."""
    topology, settings = Topology.load(), Settings.load()
    if service not in topology.services:
        _fail(f"no service {service!r}: one of {', '.join(topology.services)}", USAGE)
    lines = logs.configure(settings.log_level, service=service)
    # Until there is something to finish. Without a handler the first process of a container
    # would not even be ended by SIGTERM.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _leave(lines, DONE))
    # Everything that talks to AWS takes long to import; --help and mistakes should not wait.
    from workers import bootstrap  # noqa: PLC0415

    _leave(lines, bootstrap.run(service, settings, topology))


@app.command()
def healthcheck(
    *,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it takes work.")] = False,
) -> None:
    """Ask the process in this container whether it lives: exit code 0 or 1."""
    sys.exit(ask(Settings.load().metrics_port, ready=ready))


@app.command(epilog="Example: workers publish event.json")
def publish(
    file: Annotated[Path, typer.Argument(help="One envelope as JSON; - for standard input.")],
) -> None:
    """Publish one event to the topic, exactly as it stands in a file."""
    from workers.aws import names  # noqa: PLC0415
    from workers.aws.sns import SnsTopic  # noqa: PLC0415
    from workers.envelope import Encoded, EnvelopeError, decode  # noqa: PLC0415

    try:
        # Bytes, not text: reading text would turn line ends into others.
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        event = Encoded.read(raw.decode())
        decode(event.body)
    except (OSError, UnicodeDecodeError, EnvelopeError) as error:
        _fail(f"{file}: {error}", USAGE)
    settings, clients = _clients()
    sns = clients.sns()
    topic = SnsTopic(sns, names.topic_arn(sns, settings, Topology.load().topic))
    if refused := topic.publish([event]):
        raise refused[0]
    _say(f"published {event.attributes['eventType']} {event.event_id}")


@app.command(epilog="Example: workers queues --json")
def queues(
    *,
    as_json: Json = False,
    metrics: Annotated[
        bool,
        typer.Option("--metrics", help="Serve it to Prometheus on METRICS_PORT until stopped."),
    ] = False,
) -> None:
    """Show how many messages wait, are in flight, and are in dead-letter queues."""
    from workers.ops.queues import Queues  # noqa: PLC0415

    settings, clients = _clients()
    if metrics:
        from workers.ops.exporter import serve  # noqa: PLC0415

        lines = logs.configure(settings.log_level, service="queues")
        find = partial(Queues, clients, settings, Topology.load())
        port, stop_timeout = settings.metrics_port, settings.stop_timeout
        _leave(lines, serve(find, port=port, stop_timeout=stop_timeout))
    found = [asdict(state) for state in Queues(clients, settings, Topology.load()).states()]
    if as_json:
        _print_json(found)
    else:
        _table(found)


@dlq.command("list", epilog="Example: workers dlq list payment")
def dlq_list(service: ServiceName, *, as_json: Json = False) -> None:
    """List the messages in a service's dead-letter queue, with the reasons."""
    found = [
        {name: value for name, value in asdict(message).items() if name in _LISTED}
        for message in _dead(service)
    ]
    if as_json:
        _print_json(found)
    elif found:
        _table(found)
    else:
        _say(f"the dead-letter queue of {service} is empty")


@dlq.command("show", epilog="Example: workers dlq show payment 4f6c2d")
def dlq_show(
    service: ServiceName,
    message_id: Annotated[str, typer.Argument(help="The message's id, or how it starts.")],
) -> None:
    """Show one dead letter as JSON, body included."""
    found = [m for m in _dead(service) if m.id.startswith(message_id)]
    if len(found) != 1:
        _fail(f"{len(found)} messages of {service} have an id that starts so", FAILED)
    _print_json({k: v for k, v in asdict(found[0]).items() if k != "receipt_handle"})


@dlq.command("redrive", epilog="Example: workers dlq redrive payment --yes")
def dlq_redrive(service: ServiceName, *, yes: Yes = False, as_json: Json = False) -> None:
    """Move a service's dead letters back into its queue. Repeats do no harm."""
    from workers.aws import names  # noqa: PLC0415
    from workers.aws.sqs import depth  # noqa: PLC0415
    from workers.ops.dlq import redrive  # noqa: PLC0415

    settings, clients = _clients()
    _known(service)
    sqs = clients.control()
    source = names.dlq_url(sqs, settings, service)
    if yes:
        moved = redrive(sqs, source, names.queue_url(sqs, settings, service))
    else:
        moved = depth(sqs, source).visible
    if as_json:
        _print_json({"service": service, "messages": moved, "moved": yes})
    elif yes:
        _say(f"moved {moved} messages back to the queue of {service}")
    else:
        _say(f"would move {moved} messages back to the queue of {service}; add --yes to do it")


@outbox.command("list", epilog="Example: workers outbox list")
def outbox_list(*, as_json: Json = False) -> None:
    """Show how many events wait, for how long, and which were set aside and why."""
    from workers.ops.outbox import set_aside, shards  # noqa: PLC0415

    found = _outbox()
    waiting = [asdict(state) for state in shards(*found, datetime.now(UTC))]
    aside = [asdict(event) for event in set_aside(found[0])]
    if as_json:
        _print_json({"shards": waiting, "set_aside": aside})
        return
    _table(waiting)
    if aside:
        _say("\nset aside:")
        _table(aside)
    else:
        _say("\nnothing is set aside")


@outbox.command("retry", epilog="Example: workers outbox retry --all --yes")
def outbox_retry(
    event_id: Annotated[
        str | None, typer.Argument(help="The event's id, or how it starts.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Whatever was set aside.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let the relay try again what it has set aside. Repeats do no harm."""
    from workers.ops.outbox import put_back, set_aside  # noqa: PLC0415

    if everything == (event_id is not None):
        _fail("say which event: EVENT_ID, or --all", USAGE)
    rows, _ = _outbox()
    known = [event.event_id for event in set_aside(rows)]
    chosen = [event_id] if event_id in known else [k for k in known if k.startswith(event_id or "")]
    if event_id is not None and len(chosen) != 1:
        there = ", ".join(known) or "nothing"
        _fail(f"{len(chosen)} events have an id that starts so; set aside: {there}", FAILED)
    count = put_back(rows, chosen) if yes else len(chosen)
    if as_json:
        _print_json({"events": count, "retried": yes})
    elif yes:
        _say(f"{count} events wait for the relay again")
    else:
        _say(f"would let {count} events wait for the relay again; add --yes to do it")


@stock.command("list", epilog="Example: workers stock list")
def stock_list(*, as_json: Json = False) -> None:
    """List every article with what is available and what is reserved."""
    from workers.ops.stock import list_stock  # noqa: PLC0415

    settings, clients = _clients()
    found = [asdict(s) for s in list_stock(clients.dynamodb(), _table_of(settings, "inventory"))]
    if as_json:
        _print_json(found)
    elif found:
        _table(found)
    else:
        _say("there are no articles; add one with: workers stock set SKU AVAILABLE")


@stock.command("set", epilog="Example: workers stock set LAPTOP-001 100 --reorder-at 10")
def stock_set(
    sku: str,
    available: Annotated[int, typer.Argument(min=0)],
    reorder_at: Annotated[int, typer.Option(min=0, help="Warn when no more is left.")] = 10,
) -> None:
    """Set how many pieces of an article are available."""
    from workers.ops.stock import set_stock  # noqa: PLC0415

    settings, clients = _clients()
    set_stock(
        clients.dynamodb(),
        _table_of(settings, "inventory"),
        sku,
        available=available,
        reorder_threshold=reorder_at,
    )
    _say(f"{sku}: {available} available")


@app.command(epilog="Example: workers counters --hours 24")
def counters(
    hours: Annotated[int, typer.Option(min=1, max=744, help="How far back to look.")] = 24,
    *,
    as_json: Json = False,
) -> None:
    """Show how many events of each type there were, and the revenue."""
    from workers.ops.counters import read_counters  # noqa: PLC0415

    settings, clients = _clients()
    totals = read_counters(
        clients.dynamodb(),
        _table_of(settings, "analytics"),
        hours=hours,
        now=datetime.now(UTC),
    )
    found = {name: str(value) for name, value in sorted(totals.items())}
    if as_json:
        _print_json(found)
    elif found:
        _table([{"counter": name, "total": value} for name, value in found.items()])
    else:
        _say(f"nothing was counted in the last {hours} hours")


@app.command(epilog="Example: workers cost --rate 50 --handler-ms 50")
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
    from workers.ops import bill  # noqa: PLC0415
    from workers.ops.cost import estimate  # noqa: PLC0415
    from workers.ops.fargate import Task  # noqa: PLC0415
    from workers.ops.price_list import Measured, Prices  # noqa: PLC0415

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
        _fail(error, USAGE)
    assumptions = bill.assumptions(found, task, measured, prices)
    if as_json:
        _print_json({**asdict(found), "assumptions": assumptions})
    else:
        _table(bill.rows(found))
        _say("\n" + "\n".join(f"- {line}" for line in assumptions))


@schema.command("export", epilog="Example: workers schema export build/schemas")
def schema_export(directory: Path) -> None:
    """Write a JSON Schema per event and an AsyncAPI document of the whole system."""
    from workers.ops.schema import export  # noqa: PLC0415

    for path in export(directory):
        _say(str(path))


@app.command(epilog="Example: AWS_ENDPOINT_URL=http://127.0.0.1:4566 workers provision")
def provision(
    stock: Annotated[int, typer.Option(min=0, help="Pieces of each article of the demo.")] = 0,
) -> None:
    """Create topic, queues and tables on an emulator. On AWS, Terraform does it."""
    from workers.local.provision import ProvisionError  # noqa: PLC0415
    from workers.local.provision import provision as provision_all  # noqa: PLC0415

    try:
        report = provision_all(Settings.load(), Topology.load(), _say, stock=stock)
    except ProvisionError as error:
        _fail(error, FAILED)
    _say(f"everything is there ({len(report.changes)} changes)")


@app.command(epilog="Example: workers smoke --api http://127.0.0.1:8080")
def smoke(
    api: Annotated[str, typer.Option(help="Where order-api is.")] = "http://127.0.0.1:8080",
    *,
    as_json: Json = False,
) -> None:
    """Place one order of each scenario in a running system and follow each to its end."""
    from workers.local.smoke import Smoke, SmokeError, everywhere  # noqa: PLC0415

    settings, clients = _clients()
    topology = Topology.load()
    dead_letters = everywhere(clients, settings, topology)
    max_attempts = topology.services["payment"].max_attempts
    try:
        found = Smoke(api, dead_letters, max_attempts=max_attempts).run()
    except SmokeError as error:
        _fail(error, FAILED)
    rows = [order.row() for order in found]
    if as_json:
        _print_json(rows)
    else:
        _table(rows)
    sys.exit(DONE if all(order.held for order in found) else FAILED)


@app.command(epilog="Example: workers demo --orders 200 --json")
def demo(
    orders: Annotated[int, typer.Option(min=6, max=2_000, help="How many to place.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed plans the same orders.")] = 7,
    *,
    as_json: Json = False,
) -> None:
    """Run the whole system on this machine, play every scenario and check every expectation."""
    from workers.local.play import play_demo  # noqa: PLC0415

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
    from workers.local.chaos.faults import UnknownFault, parse  # noqa: PLC0415

    try:
        asked = parse(faults)
    except UnknownFault as error:
        _fail(error, USAGE)
    from workers.local.chaos.play import play  # noqa: PLC0415
    from workers.local.chaos.runner import Options  # noqa: PLC0415

    sys.exit(play(Options(orders, seed, asked, workers, beside), as_json=as_json))


@app.command(epilog="Example: workers local --port 8080 --endpoint-port 4566")
def local(
    port: Annotated[int, typer.Option(help="Port of order-api; 0 takes a free one.")] = 8080,
    endpoint_port: Annotated[int, typer.Option(help="Port of the embedded AWS.")] = 4566,
) -> None:
    """Keep the whole system up on this machine, to play with, until Ctrl-C."""
    from workers.local.play import play_local  # noqa: PLC0415

    sys.exit(play_local(port=port, endpoint_port=endpoint_port))


_LISTED: Final = ("id", "event_type", "order_id", "type", "reason", "attempts", "failed_at")


def _dead(service: str) -> Any:
    from workers.aws import names  # noqa: PLC0415
    from workers.ops.dlq import look  # noqa: PLC0415

    settings, clients = _clients()
    _known(service)
    sqs = clients.control()
    return look(sqs, names.dlq_url(sqs, settings, service))


def _outbox() -> tuple[Any, Any]:
    from workers.aws.outbox import Outbox  # noqa: PLC0415
    from workers.aws.outbox_leases import OutboxLeases  # noqa: PLC0415

    settings, clients = _clients()
    dynamodb, table = clients.dynamodb(), _table_of(settings, "relay")
    return Outbox(dynamodb, table), OutboxLeases(dynamodb, table)


def _known(service: str) -> None:
    consumers = Topology.load().consumers
    if service not in consumers:
        _fail(f"no service {service!r} with a queue: one of {', '.join(consumers)}", USAGE)


def _clients() -> tuple[Settings, Any]:
    from workers.aws.clients import Clients  # noqa: PLC0415

    settings = Settings.load()
    return settings, Clients.connect(settings, threads=1)


def _table_of(settings: Settings, service: str) -> str:
    return settings.table_name or settings.name_prefix + Topology.load().services[service].table


def _table(rows: Iterable[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    rows = list(rows)
    table = Table(box=None, header_style="bold")
    for name, value in rows[0].items():
        justify: Literal["right", "left"] = "right" if isinstance(value, int) else "left"
        table.add_column(name.replace("_", " "), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    # A pipe has no width: let grep and awk have whole lines.
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def _print_json(document: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def _leave(lines: Lines, code: int) -> NoReturn:
    """End without waiting for threads: a handler that hangs cannot be ended otherwise."""
    lines.flush()
    os._exit(code)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - this module prints


def _fail(problem: object, code: int) -> NoReturn:
    print(f"workers: {problem}", file=sys.stderr)  # noqa: T201 - this module prints
    sys.exit(code)
