"""The idle costs in terraform/README.md follow from the map and the prices."""

import re
from pathlib import Path

from local.cost.price_list import Measured, Prices
from local.cost.task import Task
from workers.topology import Topology

TERRAFORM = Path(__file__).parents[2] / "terraform"
README = (TERRAFORM / "README.md").read_text("utf-8")
EDGE = (TERRAFORM / "edge.tf").read_text("utf-8")


def table(name):
    """Return the cells of a table, without its head."""
    text = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


ROWS = table("idle")
HOURS = 730
PRICES = Prices.load("eu-west-1")
TOPOLOGY = Topology.load()


def test_each_line_is_its_count_times_its_price():
    consumers, services = len(TOPOLOGY.consumers), len(TOPOLOGY.services)
    polls = consumers * Measured.load().idle_polls_per_minute * 60 * HOURS / 1e6
    expected = [
        (1, (PRICES.nat_gateway_hour.dollars + PRICES.public_address_hour.dollars) * HOURS),
        (services, Task().hourly(PRICES) * HOURS),
        # A consumer's seven alarms watch 12 metrics, each service's own alarm 2, those of the error
        # budget 8, those of the reconciliation 2, and the others 9.
        # Scaling adds two alarms per service, on two metrics for a consumer and on one otherwise.
        # The alarm that rolls a release back watches 3 metrics of a consumer, and 3 of the others.
        (
            consumers * (12 + 4 + 3) + services * 2 + 8 + 2 + 9 + (services - consumers) * 2 + 3,
            PRICES.alarm_month.dollars,
        ),
        # Four counts, pauses and four distributions of a consumer; two of the relay; differences.
        (consumers * 9 + 2 + 1, PRICES.metric_month.dollars),
        (round(polls, 2), PRICES.sqs_requests.dollars),
    ]

    assert [row[1:] for row in ROWS[:-1]] == [
        [f"{count:g}", f"{each:.2f}", f"{count * each:.2f}"] for count, each in expected
    ]


def test_an_x86_machine_learns_to_build_for_arm_before_it_builds():
    emulation, build = README.find("binfmt --install arm64"), README.find("make image")

    assert 0 < emulation < build


def test_the_total_is_the_sum_of_the_lines():
    lines = [float(row[3]) for row in ROWS[:-1]]

    assert ROWS[-1][3] == f"{sum(lines):.2f}"


def test_each_way_out_costs_its_endpoints_and_gateways():
    gateway = PRICES.nat_gateway_hour.dollars + PRICES.public_address_hour.dollars
    # In each of two zones; Stripe's key needs the endpoint of Secrets Manager.
    expected = {"none": (12, 0), "nat": (14, 2), "nat-only": (0, 1)}

    assert {re.match(r"`([\w-]+)`", row[0])[1]: row[1:] for row in table("network")} == {
        name: [
            f"{endpoints}",
            f"{gateways}",
            f"{(endpoints * PRICES.endpoint_hour.dollars + gateways * gateway) * HOURS:.2f}",
        ]
        for name, (endpoints, gateways) in expected.items()
    }


def test_the_price_of_a_gigabyte_through_a_nat_gateway_is_the_list_price():
    assert f"instead of {PRICES.nat_gateway_gb.dollars:g}." in README


def test_the_edge_costs_its_web_acl_and_requests():
    rules = len(re.findall(r"priority += \d", EDGE))
    expected = [
        (1, PRICES.web_acl_month.dollars),
        (rules, PRICES.web_acl_rule_month.dollars),
        (1, PRICES.web_acl_requests.dollars),
        (1, PRICES.cloudfront_requests.dollars),
    ]
    *rows, total = table("edge")

    assert [row[1:] for row in rows] == [
        [f"{count}", f"{each:.2f}", f"{count * each:.2f}"] for count, each in expected
    ]
    assert total[3] == f"{sum(count * each for count, each in expected):.2f}"
