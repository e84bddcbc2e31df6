"""The idle costs in terraform/README.md follow from the map and the prices."""

import re
from pathlib import Path

from local.cost.price_list import Measured, Prices
from local.cost.task import Task
from workers.topology import Topology

README = (Path(__file__).parents[2] / "terraform" / "README.md").read_text("utf-8")
TABLE = re.search(r"<!-- idle -->\n(.*?)<!-- /idle -->", README, re.DOTALL)[1]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()[2:]]
HOURS = 730
PRICES = Prices.load("eu-west-1")
TOPOLOGY = Topology.load()


def test_each_line_is_its_count_times_its_price():
    consumers, services = len(TOPOLOGY.consumers), len(TOPOLOGY.services)
    polls = consumers * Measured.load().idle_polls_per_minute * 60 * HOURS / 1e6
    expected = [
        (12, PRICES.endpoint_hour.dollars * HOURS),
        (services, Task().hourly(PRICES) * HOURS),
        # A consumer's five alarms watch 7 metrics, each service's own alarm 2, and the others 5.
        # Scaling adds two alarms per service, on two metrics for a consumer and on one otherwise.
        # The alarm that rolls a release back watches 3 metrics of a consumer, and 3 of the others.
        (
            consumers * (7 + 4 + 3) + services * 2 + 5 + (services - consumers) * 2 + 3,
            PRICES.alarm_month.dollars,
        ),
        (consumers * 4 + 2, PRICES.metric_month.dollars),
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
