"""One service, with or without a planted bug, between a topic and the checker."""

import os
import sys
import time
from pathlib import Path
from uuid import uuid4

from support.order_api import Api

from local.chaos.audit import Audit
from local.chaos.checker import check
from local.chaos.customers import Customers
from local.chaos.evidence import (
    Event,
    Evidence,
    read_dead_letters,
    read_log,
    read_tables,
)
from local.chaos.history import History, Op
from local.processes import Processes
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.sns import SnsTopic
from workers.ops.queues import Queues
from workers.provision.provision import provision
from workers.runtime.errors import Unavailable
from workers.samples import PRICES, SampleOrder
from workers.settings import Settings
from workers.topology import Topology

PATIENCE = 60  # s
GLANCE = 0.2  # s
LOOKS = 3
MUTANTS = str(Path(__file__).with_name("mutants.py"))
# Invariants about parts of the system that the rig does not run.
WITHOUT = {"I2", "I3", "I4", "I5"}


class DownTopic:
    """Rejects everything, so that committed events wait for the relay."""

    def publish(self, rows):
        return {place: Unavailable("down", dependency="sns") for place in range(len(rows))}


class Rig:
    def __init__(self, aws, directory, *services, mutant):
        self.aws, self.directory = aws, directory
        self.prefix = f"m{uuid4().hex[:8]}-"
        self.settings = Settings(name_prefix=self.prefix)
        whole = Topology.load()
        parts = {name: whole.services[name] for name in services}
        tables = {
            name: whole.tables[name] for name in {"orders", *(p.table for p in parts.values())}
        }
        self.topology = whole.model_copy(update={"services": parts, "tables": tables})
        provision(self.settings, self.topology)
        self.clients = Clients.connect(self.settings, threads=4)
        self.history, self.planned, self.planted = [], {}, []
        self.repeats = False  # a dead letter may have copies
        self._crashes = {}  # by service
        self.processes = Processes(
            directory,
            command=lambda service: [sys.executable, MUTANTS, mutant, "run", service],
            lives=self._life,
            restart_delay=0.1,
        )
        self.audit = Audit(
            self.clients, self.settings, self.topology, directory / "audit.jsonl"
        ).__enter__()

    def _life(self, name, life):
        crash = self._crashes.get(name.rpartition("-")[0]) if life == 0 else None
        return {"WORKERS_CRASH": crash} if crash else {}

    def close(self):
        self.processes.stop()
        self.aws.heal()

    def place(self, *kinds, published=True):
        """Place orders at an order-api in this process, one of each kind."""
        dynamodb, sns = self.clients.dynamodb(), self.clients.sns()
        table = self.prefix + "orders"
        arn = names.topic_arn(sns, self.settings, self.topology.topic_name)
        api = Api(
            allow_simulation=True,
            store=DynamoStore(dynamodb, table, outbox=True),
            topic=SnsTopic(sns, arn) if published else DownTopic(),
            outbox=Outbox(dynamodb, table),
        )
        for kind in kinds:
            number = len(self.planned) + 1
            order = self.planned[number] = SampleOrder(number, kind, ((next(iter(PRICES)), 1),))
            answer = api.post(
                "/orders", order.body(), headers={"Idempotency-Key": order.idempotency_key}
            )
            self.history.append(
                Op(
                    "acknowledged",
                    "place",
                    order.idempotency_key,
                    number,
                    order_id=answer.json()["orderId"],
                    status=answer.status_code,
                    body=answer.text,
                )
            )

    def place_over_http(self, url, *kinds):
        """Let customers place orders at an order-api that is a process."""
        number = len(self.planned)
        orders = [
            SampleOrder(number + place, kind, ((next(iter(PRICES)), 1),))
            for place, kind in enumerate(kinds, start=1)
        ]
        self.planned |= {order.number: order for order in orders}
        history = History(self.directory / "history.jsonl")
        list(Customers(url, history, seed=1).place(orders))
        history.close()
        self.history += history.ops

    def spoil(self, operation, mode, **more):
        """Let requests of this rig fail from here on."""
        self.aws.inject([{"operation": operation, "mode": mode, "match": self.prefix, **more}])

    def run(self, service, *, crash="", **environment):
        """Start the service; with ``crash``, its first process ends at that crash point."""
        self._crashes[service] = crash
        own = {
            "ALLOW_SIMULATION": "true",
            "NAME_PREFIX": self.prefix,
            "STOP_TIMEOUT": "6",
            "VISIBILITY_TIMEOUT": "2",
        }
        self.processes.start(service, self.aws.environment(os.environ) | own | environment)

    @property
    def deaths(self):
        """Count the processes that have ended."""
        return len(self.processes.exits)

    def logged(self, event):
        """Count the log lines with an event."""
        return sum(line.fields.get("event") == event for line in read_log(self.directory))

    def drain(self, hopeless=lambda: False):
        """Wait until nothing is left to do or ``hopeless`` is true: some mutants never finish."""
        queues = Queues(self.clients, self.settings, self.topology)
        outbox = Outbox(self.clients.dynamodb(), self.prefix + "orders")
        deadline, quiet = time.monotonic() + PATIENCE, 0
        while quiet < LOOKS and time.monotonic() < deadline and not hopeless():
            busy = any(q.visible or q.in_flight or q.delayed for q in queues.states())
            busy = busy or any(outbox.oldest(shard) for shard in range(outbox.SHARDS))
            quiet = 0 if busy else quiet + 1
            time.sleep(GLANCE)

    def violations(self):
        """Collect the evidence and check it."""
        counts = Queues(self.clients, self.settings, self.topology).states()
        exits = list(self.processes.exits)
        self.processes.stop()
        self.audit.__exit__()
        topology = self.topology
        return check(
            Evidence(
                planned=self.planned,
                seeded={},
                history=self.history,
                tables=read_tables(self.clients.dynamodb(), self.prefix, list(topology.tables)),
                queues=counts,
                dead=read_dead_letters(self.clients.control(), self.settings, topology),
                audit=[Event.read(body) for body in self.audit.bodies],
                log=list(read_log(self.directory)),
                consumes={name: part.consumes for name, part in topology.consumers.items()},
                table_of={name: part.table for name, part in topology.services.items()},
                planted=self.planted,
                repeats=self.repeats,
                exits=exits,
            ),
            without=WITHOUT,
        )
