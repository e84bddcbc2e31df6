"""Two hundred orders are finished although every service is stopped and started meanwhile.

It runs before the tests that place other orders.
"""

from concurrent.futures import ThreadPoolExecutor

import httpx
from support.composed import SERVICES
from support.eventually import eventually

from local.demo import service_logs, tables
from local.demo.checks import Evidence, check_all
from local.demo.plan import plan, stock_for
from local.demo.run import _post as post
from local.demo.run import refund_all
from workers.aws import names
from workers.aws.clients import Clients
from workers.ops.dlq import look
from workers.ops.queues import Queues
from workers.ops.stock import set_stock
from workers.samples import PRICES, REORDER_THRESHOLD
from workers.settings import Settings
from workers.topology import Topology

ORDERS = 200
CUSTOMERS = 8
PATIENCE = 180  # s


def test_orders_interrupted_by_a_stop_are_finished_after_the_restart(aws, tmp_path):
    settings, topology = Settings(), Topology.load()
    clients = Clients.connect(settings, threads=2)
    sqs, dynamodb = clients.control(), clients.dynamodb()
    assert tables.read_states(dynamodb, settings) == {}, (
        "other orders exist: the totals would be wrong"
    )
    orders = [order for order in plan(ORDERS + 40, seed=7) if order.kind != "technical"][:ORDERS]
    stock(dynamodb, stock_for(orders))

    with ThreadPoolExecutor(CUSTOMERS) as customers, httpx.Client(base_url=aws.api) as api:
        placing = [customers.submit(place, api, order) for order in orders]
        eventually(lambda: sum(each.done() for each in placing) > ORDERS / 3, PATIENCE)
        aws("stop", *SERVICES)
        states = tables.read_states(dynamodb, settings).values()
        unfinished = sum(state == "pending" for state in states)
        codes = {container["ExitCode"] for container in aws.containers(*SERVICES)}
        aws("start", *SERVICES)
        planned = dict(each.result() for each in placing)
    assert codes == {0}
    assert unfinished > 0

    queues = Queues(clients, settings, topology)
    eventually(lambda: ended(dynamodb, settings, queues), PATIENCE)
    with httpx.Client(base_url=aws.api) as api:
        refund_all(api, planned)
    eventually(lambda: ended(dynamodb, settings, queues), PATIENCE)
    (tmp_path / "services.log").write_text(aws("logs", "--no-log-prefix", *SERVICES).stdout)
    evidence = Evidence(
        planned=planned,
        tables=tables.read(dynamodb, settings),
        queues=queues.states(),
        first_dead={name: [] for name in topology.consumers},
        last_dead={n: look(sqs, names.dlq_url(sqs, settings, n)) for n in topology.consumers},
        malformed=[],
        mails=aws.mails(),
        logs=service_logs.read(tmp_path),
        restarts=0,
        max_attempts=topology.services["payment"].max_attempts,
    )
    failed = [check for check in check_all(evidence) if not check.held]
    assert [check for check in failed if "duplicate" not in check.name] == []  # none was planted
    stock(dynamodb, dict.fromkeys(PRICES, 1_000))


def stock(dynamodb, pieces):
    for sku, available in pieces.items():
        set_stock(
            dynamodb, "inventory", sku, available=available, reorder_threshold=REORDER_THRESHOLD
        )


def place(api, order):
    """Repeat an order until it is accepted; return its id and its plan."""
    headers = {"Idempotency-Key": order.idempotency_key}
    order_id = post(api, "/orders", order.body(), headers)["orderId"]
    if order.kind == "cancelled":
        headers = {"Idempotency-Key": f"{order.idempotency_key}-cancel"}
        post(api, f"/orders/{order_id}/cancel", {"reason": "changed my mind"}, headers)
    return order_id, order


def ended(dynamodb, settings, queues):
    """Return whether no order is pending and all queues are empty."""
    busy = any(q.visible or q.in_flight or q.delayed for q in queues.states())
    pending = "pending" in tables.read_states(dynamodb, settings).values()
    return not (busy or pending or tables.count_unpublished(dynamodb, settings))
