"""The commands that the documents give for the composed system do what they promise."""

import json

import httpx
import pytest
from support.composed import ROOT, SERVICES, docker, timed
from support.eventually import eventually

PATIENCE = 60  # s
OURS = {*SERVICES, "queues"}
MIB = 2**20
ORDER = {
    "customerEmail": "ada@example.com",
    "currency": "EUR",
    "items": [{"sku": "LAPTOP-001", "quantity": 1, "price": 850}],
}


@pytest.fixture
def placed(composed):
    """Place an order; return its id."""
    return httpx.post(f"{composed.api}/orders", json=ORDER).json()["orderId"]


@pytest.fixture
def order(composed, placed):
    """Read the order."""
    return lambda: httpx.get(f"{composed.api}/orders/{placed}").json()


def test_everything_is_healthy_and_provisioned(composed):
    composed("up", "-d", "--wait")
    found = {c["Service"]: (c["State"], c["Health"], c["ExitCode"]) for c in composed.containers()}
    assert found.pop("provision") == ("exited", "", 0)
    assert set(found) == {*OURS, "localstack", "prometheus"}
    assert set(found.values()) == {("running", "healthy", 0)}


@pytest.mark.parametrize("service", sorted({*OURS, "prometheus"}))
def test_a_container_has_few_privileges(composed, service):
    limits = composed.inspected(service)["HostConfig"]
    assert limits["ReadonlyRootfs"]
    assert limits["CapDrop"] == ["ALL"]
    assert limits["SecurityOpt"] == ["no-new-privileges:true"]
    assert 0 < limits["Memory"] <= 512 * MIB
    assert 0 < limits["PidsLimit"] <= 256


def test_an_order_is_confirmed_and_the_customer_is_told(composed, order):
    eventually(lambda: order()["state"] == "confirmed", PATIENCE)
    assert (order()["payment"], order()["inventory"]) == ("completed", "reserved")
    eventually(lambda: any(m["to"] == ["ada@example.com"] for m in composed.mails()), PATIENCE)


def test_the_smoke_test_follows_one_order_of_each_scenario(composed):
    asked = composed("exec", "-T", "order-api", "workers", "smoke", "--json")
    found = {row["scenario"]: row for row in json.loads(asked.stdout)}
    assert {name: row["verdict"] for name, row in found.items()} == {
        "success": "ok",
        "business failure": "ok",
        "refund before shipping": "ok",
        "technical failure": "ok",
    }
    dead = composed("exec", "-T", "payment", "workers", "dlq", "list", "payment", "--json").stdout
    letters = {letter["order_id"]: letter["reason"] for letter in json.loads(dead)}
    assert "payment is broken" in letters[found["technical failure"]["order"]]


def test_a_second_provisioning_changes_nothing(composed):
    assert composed("run", "--rm", "provision").stdout == "up to date (0 changes)\n"


def test_an_idle_worker_needs_little_memory(composed):
    """A health check briefly adds a second process; the minimum of several samples omits it."""
    ids = [service_id(composed, service) for service in SERVICES]
    looks = [docker("stats", "--no-stream", "--format={{.MemUsage}}", *ids) for _ in range(4)]
    used = [[float(row.partition("MiB")[0]) for row in look.stdout.splitlines()] for look in looks]
    assert max(min(seen) for seen in zip(*used, strict=True)) < 80


def service_id(composed, service):
    return composed.containers(service)[0]["ID"]


def test_prometheus_scrapes_every_service_and_every_queue_depth(composed):
    eventually(lambda: len(composed.prometheus("up == 1")) == len(OURS), PATIENCE)
    depths = composed.prometheus("messaging_queue_messages")
    assert {labels["state"] for labels, _ in depths} == {"visible", "in_flight", "delayed", "dead"}
    assert {labels["messaging_destination_name"] for labels, _ in depths} == {
        f"{name}-queue" for name in SERVICES if name not in ("order-api", "relay")
    }


def test_every_expression_of_the_dashboard_returns_data(composed):
    """It needs the orders of the tests above; a breaker has no series until a dependency fails."""
    dashboard = json.loads((ROOT / "docker/grafana/dashboards/pipeline.json").read_text("utf-8"))
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    assert len(expressions) >= 10
    for expression in expressions:
        if "breaker" not in expression:
            eventually(lambda asked=expression: composed.prometheus(asked), PATIENCE)


def test_new_workers_are_scraped_and_the_others_are_not_restarted(composed):
    before = service_id(composed, "payment")
    composed("up", "-d", "--wait", "--scale", "payment=3")
    assert before in {container["ID"] for container in composed.containers("payment")}
    eventually(lambda: len(composed.prometheus('up{service="payment"} == 1')) == 3, PATIENCE)
    composed("up", "-d", "--wait", "--scale", "payment=1")


def test_an_idle_system_stops_in_ten_seconds_with_exit_codes_of_0(composed):
    """This test comes last, because it stops everything."""
    assert timed(composed, "stop") < 10
    assert {container["ExitCode"] for container in composed.containers()} == {0}
