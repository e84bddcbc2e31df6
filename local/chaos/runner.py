"""One run: orders and faults together, then a drain without faults, then the invariants."""

import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from botocore.config import Config

from local.chaos import evidence as evidence_of
from local.chaos import faults, launch
from local.chaos.audit import Audit
from local.chaos.beside import check_out
from local.chaos.checker import Violation, check
from local.chaos.customers import Customers
from local.chaos.evidence import Event, Evidence, LeaseSeen, Planted
from local.chaos.history import History
from local.chaos.nemesis import Nemesis
from local.chaos.schedule import Lives, schedule
from local.demo.plan import plan, stock_for
from local.ports import release_port, reserve_port
from local.system import System
from local.tcp_proxy import TcpProxy
from workers.aws import names
from workers.aws.errors import SDK_ERRORS
from workers.aws.outbox import Outbox
from workers.ops.queues import Queues
from workers.ops.stock import set_stock
from workers.samples import REORDER_THRESHOLD, SampleOrder
from workers.topology import Topology

VISIBILITY_TIMEOUT: Final = 6  # s: what a kill hides comes back soon
RESTART_DELAY: Final = 0.2  # s
GLANCE: Final = 0.5  # s between looks at queues and leases
LOOKS: Final = 3  # that find nothing in a row: what is in flight may yet lead to more
PATIENCE: Final = 120.0  # s without any change until the drain is given up
MALFORMED: Final = '{"eventType": "order.created", "data": '


# Of whole tables: after a long run a page may take the embedded AWS many seconds.
PATIENT: Final = Config(read_timeout=120, retries={"total_max_attempts": 5})


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    orders: int
    seed: int
    faults: tuple[str, ...]
    workers: int = 1  # processes per consumer
    beside: str = ""  # a commit whose code runs beside this one

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        more = f" --workers {self.workers}" if self.workers != 1 else ""
        more += f" --beside {self.beside}" if self.beside else ""
        if self.faults != tuple(faults.names()):
            more += f" --faults {','.join(self.faults)}"
        return f".venv/bin/workers chaos run --seed {self.seed} --orders {self.orders}{more}"


@dataclass
class Progress:
    """What a person sees while it runs."""

    planned: int
    stage: str = "starting"
    placed: int = 0
    waiting: int = 0  # messages
    done: Mapping[str, int] = field(default_factory=dict)  # faults to processes
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Verdict:
    """What a run has found."""

    options: Options
    evidence: Evidence
    violations: Sequence[Violation]
    done: Mapping[str, int]
    injected: Mapping[str, int]  # by mode
    seconds: float
    cpu_seconds: float  # of all processes
    beside: str = ""  # the commit whose code ran beside, or why none did

    @property
    def held(self) -> bool:
        """Whether every invariant held."""
        return not self.violations


class Chaos:
    """Runs orders through the system while it is being broken."""

    def __init__(
        self, options: Options, directory: Path, *, show: Callable[[Progress], None]
    ) -> None:
        self._options = options
        self._directory = directory
        self._show = show
        self._progress = Progress(planned=options.orders)
        self._orders = _orders(options)
        self._poison = _poison(self._orders)
        self._port = reserve_port()
        self._wires = _wires(options, self._port)
        self._lives = Lives(
            options.seed,
            asked=options.faults,
            orders=options.orders,
            endpoints={name: wire.url for name, wire in self._wires.items()},
        )
        self._leases: list[LeaseSeen] = []
        self._look_again = 0.0
        self._injected: Counter[str] = Counter()
        self._beside = ""

    def run(self) -> Verdict:
        """Run. Raises what starting the system raises."""
        started, cpu = time.monotonic(), _cpu()
        with ExitStack() as up:
            up.callback(release_port, self._port)
            for wire in self._wires.values():
                up.callback(wire.close)
            system = up.enter_context(self._system())
            history = History(self._directory / "history.jsonl")
            up.callback(history.close)
            self._start_others(system)
            audit = Audit(
                system.clients, system.settings, system.topology, self._directory / "audit.jsonl"
            )
            with audit:
                nemesis = self._break_while_ordering(system, history)
                self._drain(system)
            self._stage("checking the invariants")
            exits = list(system.processes.exits)
            found = self._evidence(system, history, audit, nemesis, exits)
        violations = check(found)
        return Verdict(
            self._options,
            found,
            violations,
            done=self._done(nemesis, found),
            injected=dict(self._injected),
            seconds=time.monotonic() - started,
            cpu_seconds=_cpu() - cpu,
            beside=self._beside,
        )

    def _start_others(self, system: System) -> None:
        """Start a process of every consumer with the code of another commit."""
        ref = self._options.beside
        if not ref:
            return
        other = check_out(ref, self._directory / "beside")
        if other is None:
            self._beside = f"skipped: there is no {ref} here"
            return
        self._beside = other.commit
        for child in system.processes.children:
            if child.service in system.topology.consumers:
                system.processes.start(child.service, {**child.environment, **other.environment})
        system.processes.wait_until_ready()

    def _system(self) -> System:
        return System(
            self._directory,
            endpoint_port=self._port,
            workers=self._options.workers,
            environment={
                "VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT),
                launch.ABORT: self._poison["abort"].email,
            },
            command=_launch,
            lives=self._lives,
            restart_delay=RESTART_DELAY,
        )

    def _break_while_ordering(self, system: System, history: History) -> Nemesis:
        options = self._options
        self._stage("filling the stock")
        for sku, available in stock_for(self._orders).items():
            set_stock(
                system.clients.dynamodb(),
                system.settings.name_prefix + "inventory",
                sku,
                available=available,
                reorder_threshold=REORDER_THRESHOLD,
            )
        sqs = system.clients.control()
        url = names.queue_url(sqs, system.settings, "payment")
        sqs.send_message(QueueUrl=url, MessageBody=MALFORMED)
        actions = schedule(
            options.faults,
            orders=options.orders,
            seed=options.seed,
            services=list(system.topology.services),
            consumers=list(system.topology.consumers),
        )
        nemesis = Nemesis(
            system,
            actions,
            seed=options.seed,
            visibility_timeout=VISIBILITY_TIMEOUT,
            wires=self._wires,
        )
        self._stage("placing orders")
        self._inject(system)
        for placed, _ in enumerate(
            Customers(system.api_url, history, options.seed).place(self._orders), start=1
        ):
            self._progress.placed, self._progress.done = placed, dict(nemesis.done)
            self._show(self._progress)
            self._look_at_leases(system)
            nemesis.act(placed)
        self._lives.calm = True
        nemesis.calm_down()
        self._heal(system)
        return nemesis

    def _inject(self, system: System) -> None:
        if rules := faults.rules(self._options.faults):
            system.aws.inject(rules, seed=self._options.seed)

    def _heal(self, system: System) -> None:
        if faults.rules(self._options.faults):
            self._injected.update(system.aws.heal()["fired"])

    def _drain(self, system: System) -> None:
        """Wait, without faults, until nothing is left, or nothing has changed for too long."""
        self._stage("draining")
        outbox = Outbox(system.clients.dynamodb(), system.settings.name_prefix + "orders")
        depths = Queues(system.clients, system.settings, system.topology)
        seen: object = None
        changed_at, quiet = time.monotonic(), 0
        while quiet < LOOKS and time.monotonic() - changed_at < PATIENCE:
            queues = depths.states()
            unpublished = sum(outbox.oldest(shard) is not None for shard in range(outbox.SHARDS))
            waiting = sum(q.visible + q.in_flight + q.delayed for q in queues)
            quiet = 0 if waiting or unpublished else quiet + 1
            if queues != seen:
                seen, changed_at = queues, time.monotonic()
            self._progress.waiting = waiting
            self._show(self._progress)
            self._look_at_leases(system)
            time.sleep(GLANCE)

    def _look_at_leases(self, system: System) -> None:
        if time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + GLANCE
        dynamodb, table = system.clients.dynamodb(), system.settings.name_prefix + "orders"
        for shard in range(Outbox.SHARDS):
            key = {"pk": {"S": f"lease#outbox#{shard}"}}
            try:
                item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
            except SDK_ERRORS:
                continue  # the faults are for everybody
            if item:
                seen = LeaseSeen(str(shard), int(item["fence"]["N"]), item["leaseOwner"]["S"])
                self._leases.append(seen)

    def _evidence(
        self,
        system: System,
        history: History,
        audit: Audit,
        nemesis: Nemesis,
        exits: Sequence[tuple[str, int]],
    ) -> Evidence:
        topology = system.topology
        return Evidence(
            planned={order.number: order for order in self._orders},
            seeded=stock_for(self._orders),
            history=history.ops,
            tables=evidence_of.read_tables(
                system.clients.session.client("dynamodb", config=PATIENT),
                system.settings.name_prefix,
                list(topology.tables),
            ),
            queues=Queues(system.clients, system.settings, topology).states(),
            dead=evidence_of.read_dead_letters(system.clients.control(), system.settings, topology),
            audit=[Event.read(body) for body in audit.bodies],
            log=list(evidence_of.read_log(self._directory)),
            consumes={name: service.consumes for name, service in topology.consumers.items()},
            table_of={name: service.table for name, service in topology.services.items()},
            planted=self._planted(),
            repeats=not faults.REPEATING.isdisjoint(self._options.faults),
            exits=exits,
            kills=nemesis.kills,
            leases=self._leases,
            directory=str(self._directory),
        )

    def _planted(self) -> list[Planted]:
        return [
            Planted("payment", "malformed", "not JSON", body=MALFORMED),
            Planted(
                "payment",
                "transient",
                "simulated: payment is broken",
                number=self._poison["technical"].number,
            ),
            Planted(
                "payment",
                "",
                "earlier deliveries ended the worker",
                number=self._poison["abort"].number,
            ),
        ]

    def _done(self, nemesis: Nemesis, found: Evidence) -> dict[str, int]:
        crashes = sum(line.fields.get("event") == "crash" for line in found.log)
        none = dict.fromkeys(("kill", "stop", "partition", "deploy"), 0)
        return {**none, **nemesis.done, "crash": crashes}

    def _stage(self, name: str) -> None:
        self._progress.stage = name
        self._show(self._progress)


def _wires(options: Options, port: int) -> dict[str, TcpProxy]:
    """Put a wire between AWS and the worker that is to be cut off: the first of some consumer."""
    if "partition" not in options.faults:
        return {}
    dice = random.Random(f"{options.seed}-wires")  # noqa: S311 - repeatable on purpose
    wire = TcpProxy(port)
    wire.join()
    return {f"{dice.choice(list(Topology.load().consumers))}-1": wire}


def _launch(service: str) -> Sequence[str]:
    # By its path: the version beside may not have it. -P: its neighbours are no modules.
    return [sys.executable, "-P", launch.__file__, "run", service]


def _orders(options: Options) -> list[SampleOrder]:
    """Plan orders as the demo does, but only one with a technical failure: it is for good here."""
    planned = plan(options.orders, options.seed)
    technical = next(order for order in planned if order.kind == "technical")
    return [
        replace(order, kind="success")
        if order.kind == "technical" and order is not technical
        else order
        for order in planned
    ]


def _poison(orders: Sequence[SampleOrder]) -> dict[str, SampleOrder]:
    """Choose the orders that end in payment's dead-letter queue."""
    dice = random.Random(len(orders))  # noqa: S311 - repeatable on purpose
    return {
        "technical": next(order for order in orders if order.kind == "technical"),
        "abort": dice.choice([order for order in orders if order.kind == "success"]),
    }


def _cpu() -> float:
    """Processor time (s) of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
