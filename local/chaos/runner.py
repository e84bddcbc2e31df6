"""Runs orders and faults together, drains without faults, then checks the invariants."""

import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from botocore.config import Config

from local.chaos import evidence as evidence_of
from local.chaos import faults, launch
from local.chaos.audit import Audit
from local.chaos.checker import Violation, check
from local.chaos.customers import Customers
from local.chaos.evidence import Event, Evidence, Planted
from local.chaos.history import History
from local.chaos.nemesis import Nemesis
from local.chaos.other_version import check_out
from local.chaos.schedule import Lives, schedule
from local.demo.plan import plan, stock_for
from local.demo.run import MALFORMED, send
from local.ports import release_port, reserve_port
from local.system import System
from local.tcp_proxy import TcpProxy
from workers.aws import names
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases, ShardLease
from workers.ops.queues import Queues
from workers.ops.stock import set_stock
from workers.ops.stock_buckets import spread
from workers.runtime.errors import FatalError, PermanentError, TransientError
from workers.samples import REORDER_THRESHOLD, SampleOrder
from workers.topology import Topology

VISIBILITY_TIMEOUT: Final = 6  # s; messages of a killed worker come back soon
RESTART_DELAY: Final = 0.2  # s
POLL_INTERVAL: Final = 0.5  # s between reads of queues and leases
EMPTY_READS: Final = 3  # in a row that end the drain: a message in flight may lead to others
BUCKETS: Final = 4  # of an item that is in buckets
PATIENCE: Final = 120.0  # s without any change until the drain fails


# For scans: after a long run the embedded AWS may take many seconds per page.
PATIENT: Final = Config(read_timeout=120, retries={"total_max_attempts": 5})


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    orders: int
    seed: int
    faults: tuple[str, ...]
    workers: int = 1  # processes per consumer
    beside: str = ""  # a commit whose code also runs, one process per consumer
    fifo: bool = False  # FIFO topic and queues

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        more = f" --workers {self.workers}" if self.workers != 1 else ""
        more += f" --beside {self.beside}" if self.beside else ""
        more += " --fifo" if self.fifo else ""
        if self.faults != tuple(faults.names()):
            more += f" --faults {','.join(self.faults)}"
        return f".venv/bin/workers chaos run --seed {self.seed} --orders {self.orders}{more}"


@dataclass
class Progress:
    """The state shown during a run."""

    planned: int
    stage: str = "starting"
    placed: int = 0
    waiting: int = 0  # messages
    done: Mapping[str, int] = field(default_factory=dict)  # process faults injected so far
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Verdict:
    """The result of a run."""

    options: Options
    evidence: Evidence
    violations: Sequence[Violation]
    done: Mapping[str, int]
    injected: Mapping[str, int]  # by mode
    seconds: float
    cpu_seconds: float  # of all processes
    other_version: str = ""  # the commit that ran at the same time, or why none did

    @property
    def held(self) -> bool:
        """True if every invariant held."""
        return not self.violations


class Chaos:
    """Places orders while faults are injected into the system."""

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
        self._proxies = _proxies(options, self._port)
        self._lives = Lives(
            options.seed,
            asked=options.faults,
            orders=options.orders,
            endpoints={name: proxy.url for name, proxy in self._proxies.items()},
        )
        self._leases: list[ShardLease] = []
        self._next_look = 0.0  # monotonic
        self._injected: Counter[str] = Counter()
        self._other_version = ""

    def run(self) -> Verdict:
        """Run. Raises the exceptions of ``System.__enter__``."""
        started, cpu = time.monotonic(), _cpu()
        with ExitStack() as up:
            up.callback(release_port, self._port)
            for proxy in self._proxies.values():
                up.callback(proxy.close)
            system = up.enter_context(self._system())
            history = History(self._directory / "history.jsonl")
            up.callback(history.close)
            self._start_other_version(system)
            audit = Audit(
                system.clients, system.settings, system.topology, self._directory / "audit.jsonl"
            )
            with audit:
                nemesis = self._place_orders_under_faults(system, history)
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
            other_version=self._other_version,
        )

    def _start_other_version(self, system: System) -> None:
        """Start one process of every consumer with the code of another commit."""
        ref = self._options.beside
        if not ref:
            return
        other = check_out(ref, self._directory / "other-version")
        if other is None:
            self._other_version = f"skipped: commit {ref} not found"
            return
        self._other_version = other.commit
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

    def _add_stock(self, system: System) -> None:
        """Add the stock of all orders. Every second item is in buckets.

        Not if another version runs too: one that knows no buckets sells the first one only.
        """
        dynamodb, table = system.clients.dynamodb(), system.settings.name_prefix + "inventory"
        for number, (sku, available) in enumerate(stock_for(self._orders).items()):
            set_stock(
                dynamodb, table, sku, available=available, reorder_threshold=REORDER_THRESHOLD
            )
            if number % 2 == 0 and not self._options.beside:
                spread(DynamoStore(dynamodb, table), sku, BUCKETS)

    def _place_orders_under_faults(self, system: System, history: History) -> Nemesis:
        options = self._options
        self._stage("adding stock")
        self._add_stock(system)
        sqs = system.clients.control()
        url = names.queue_url(sqs, system.settings, "payment")
        send(sqs, url, MALFORMED)
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
            proxies=self._proxies,
        )
        self._stage("placing orders")
        self._inject(system)
        for placed, _ in enumerate(
            Customers(system.api_url, history, options.seed).place(self._orders), start=1
        ):
            self._progress.placed, self._progress.done = placed, dict(nemesis.done)
            self._show(self._progress)
            self._read_leases(system)
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
        """Wait without faults until all queues are empty, or nothing changes for ``PATIENCE`` s."""
        self._stage("draining")
        outbox = Outbox(system.clients.dynamodb(), system.settings.name_prefix + "orders")
        depths = Queues(system.clients, system.settings, system.topology)
        seen: object = None
        changed_at, quiet = time.monotonic(), 0
        while quiet < EMPTY_READS and time.monotonic() - changed_at < PATIENCE:
            queues = depths.states()
            unpublished = sum(outbox.oldest(shard) is not None for shard in range(outbox.SHARDS))
            waiting = sum(q.visible + q.in_flight + q.delayed for q in queues)
            quiet = 0 if waiting or unpublished else quiet + 1
            if queues != seen:
                seen, changed_at = queues, time.monotonic()
            self._progress.waiting = waiting
            self._show(self._progress)
            self._read_leases(system)
            time.sleep(POLL_INTERVAL)

    def _read_leases(self, system: System) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + POLL_INTERVAL
        leases = OutboxLeases(system.clients.dynamodb(), system.settings.name_prefix + "orders")
        for shard in range(Outbox.SHARDS):
            with suppress(
                FatalError, PermanentError, TransientError
            ):  # injected faults hit this too
                if held := leases.look(shard):
                    self._leases.append(ShardLease(shard, held.owner, held.fence))

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
            ordered=self._options.fifo,
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


def _proxies(options: Options, port: int) -> dict[str, TcpProxy]:
    """Put a proxy between AWS and the worker to cut off: the first of a random consumer."""
    if "partition" not in options.faults:
        return {}
    rng = random.Random(f"{options.seed}-wires")  # noqa: S311 - repeatable on purpose
    proxy = TcpProxy(port)
    proxy.join()
    return {f"{rng.choice(list(Topology.load().consumers))}-1": proxy}


def _launch(service: str) -> Sequence[str]:
    # By path: another version may not have the module. -P: keep its directory off sys.path.
    return [sys.executable, "-P", launch.__file__, "run", service]


def _orders(options: Options) -> list[SampleOrder]:
    """Plan orders as the demo does, but only one technical failure, which is permanent here."""
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
    rng = random.Random(len(orders))  # noqa: S311 - repeatable on purpose
    return {
        "technical": next(order for order in orders if order.kind == "technical"),
        "abort": rng.choice([order for order in orders if order.kind == "success"]),
    }


def _cpu() -> float:
    """Return the CPU time (s) of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
