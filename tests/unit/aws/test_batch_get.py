"""Rows are read by key in parts, and what DynamoDB leaves out is asked for again."""

import pytest

from workers.aws.batch_get import MAX_KEYS, batch_get
from workers.runtime.errors import Unavailable


class Tables:
    """Answers BatchGetItem with at most ``most`` rows at a time."""

    def __init__(self, *rows, most=MAX_KEYS):
        self.rows = set(rows)
        self.most = most
        self.asked = []

    def batch_get_item(self, RequestItems):  # noqa: N803 - as AWS spells it
        asked = [
            (table, key["pk"]["S"]) for table, part in RequestItems.items() for key in part["Keys"]
        ]
        self.asked.append((len(asked), {part["ConsistentRead"] for part in RequestItems.values()}))
        now, later = asked[: self.most], asked[self.most :]
        answers, rest = {}, {}
        for table, key in self.rows.intersection(now):
            answers.setdefault(table, []).append({"pk": {"S": key}})
        for table, key in later:
            rest.setdefault(table, {"Keys": [], "ConsistentRead": True})
            rest[table]["Keys"].append({"pk": {"S": key}})
        return {"Responses": answers, "UnprocessedKeys": rest}


def test_rows_of_several_tables_are_read_and_absent_ones_left_out():
    tables = Tables(("a", "1"), ("b", "1"))

    found = batch_get(tables, [("a", "1"), ("a", "1"), ("a", "2"), ("b", "1")])

    assert found == {("a", "1"): {"pk": {"S": "1"}}, ("b", "1"): {"pk": {"S": "1"}}}
    assert tables.asked == [(3, {True})]


def test_no_request_exceeds_the_limit_of_keys():
    rows = [("a", str(number)) for number in range(2 * MAX_KEYS + 1)]
    tables = Tables(*rows)

    assert set(batch_get(tables, rows, consistent=False)) == set(rows)
    assert sorted(tables.asked) == [(1, {False}), (MAX_KEYS, {False}), (MAX_KEYS, {False})]


def test_an_answer_that_is_full_is_continued_however_often():
    rows = [("a", str(number)) for number in range(MAX_KEYS)]
    waits = []

    found = batch_get(Tables(*rows, most=5), rows, sleep=waits.append)

    assert set(found) == set(rows)
    assert len(waits) == MAX_KEYS / 5 - 1
    assert len(set(waits)) == 1


def test_a_table_that_answers_nothing_is_asked_less_and_less_and_then_unavailable():
    tables, waits = Tables(("a", "1"), most=0), []

    with pytest.raises(Unavailable, match="throttling"):
        batch_get(tables, [("a", "1")], sleep=waits.append)

    assert waits == sorted(set(waits))
    assert len(tables.asked) == len(waits) + 1


def test_nothing_is_asked_for_no_rows():
    tables = Tables()

    assert batch_get(tables, []) == {}
    assert tables.asked == []
