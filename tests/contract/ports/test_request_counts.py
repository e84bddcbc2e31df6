"""The port ``Counts``: tasks that share a table share the limit of a caller."""

import pytest
from support.fakes import FakeClock, FakeCounts

from workers.api.rate import WINDOW, RateLimit
from workers.aws.request_counts import RequestCounts

MINUTE = 1_750_000_020.0  # the start of one


@pytest.fixture(params=["fake", pytest.param("aws", marks=pytest.mark.integration)])
def counts(request):
    if request.param == "fake":
        return FakeCounts()
    client, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("table")
    return RequestCounts(client, table, WINDOW)


def test_a_count_is_the_sum_of_one_caller_and_window(counts):
    assert counts.add("ada", 7, 10) == 10
    assert counts.add("ada", 7, 3) == 13
    assert counts.add("ada", 8, 1) == 1
    assert counts.add("bob", 7, 2) == 2


def test_two_tasks_serve_the_limit_and_no_more(counts):
    tasks = [RateLimit(counts, 25, now=FakeClock(MINUTE)) for _ in range(2)]

    served = sum(tasks[i % 2].allows("ada") for i in range(60))

    assert served == 25


@pytest.mark.integration
def test_a_row_expires_after_its_window(dynamodb, table):
    window = int(MINUTE // WINDOW)
    RequestCounts(dynamodb, table, WINDOW).add("ada", window, 1)

    (row,) = dynamodb.scan(TableName=table)["Items"]

    assert row["pk"]["S"] == f"rate#ada#{window}"
    assert int(row["expires"]["N"]) >= MINUTE + WINDOW
