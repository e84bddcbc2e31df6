"""The saved queries of Logs Insights ask for fields and values that log lines have."""

import re
from pathlib import Path

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
QUERIES = dict(
    re.findall(
        r'^    "([^"]+)" = <<-TEXT\n(.*?)^    TEXT$',
        (ROOT / "terraform" / "queries.tf").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
LANGUAGE = {
    "fields",
    "filter",
    "stats",
    "sort",
    "limit",
    "by",
    "as",
    "asc",
    "desc",
    "and",
    "or",
} | {
    *("count", "max", "pct", "bin", "ispresent"),
}


@pytest.fixture
def lines(world, work):
    """Return the lines of a worker that handled, repeated and refused messages."""
    worker = work()
    world.send("quick-1")
    eventually(lambda: world.effects("quick-1"))
    world.send("quick-1")
    worker.says("message.settled", outcome="repeated")
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody="not JSON")
    worker.says("message.settled", outcome="dead_lettered")
    return worker.lines()


def fields_of(query):
    """Return the names in a query that are neither words of the language nor made by it."""
    plain = re.sub(r'"[^"]*"', "", query)
    aliases = set(re.findall(r"\bas (\w+)", plain))
    words = set(re.findall(r"(?<![@\w])[A-Za-z]\w*", plain))
    return words - LANGUAGE - aliases


def test_every_field_of_a_query_is_in_a_line(lines):
    known = {field for line in lines for field in line}

    assert len(QUERIES) == 5
    assert {name: sorted(fields_of(query) - known) for name, query in QUERIES.items()} == {
        name: [] for name in QUERIES
    }


def test_every_value_that_a_query_looks_for_is_in_a_line(lines):
    asked = {
        pair
        for query in QUERIES.values()
        for pair in re.findall(r'(\w+) = "([^"]*)"', query)
        if pair[1] != "ID"
    }

    assert asked
    assert {(f, v) for f, v in asked if not any(line.get(f) == v for line in lines)} == set()


def test_the_check_finds_the_fields_of_a_query():
    assert fields_of('filter event = "a b" | stats max(x1) as most by bin(1h), other') == {
        "event",
        "x1",
        "other",
    }
