"""The embedded DynamoDB finds rows by key and index, without a search through all of them."""

import copy
from itertools import islice

import pytest
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from local.aws.services.rows import Rows


def text(value):
    return DynamoType({"S": value})


def row(name, **attributes):
    values = {key: {"S": value} for key, value in attributes.items()}
    return Item(text(name), None, {"pk": {"S": name}, **values})


def filled(count):
    rows = Rows()
    for number in range(count):
        name = f"row-{number * 7919 % count:06}"
        rows[text(name)] = row(name, **({"shard": "busy"} if number % (count // 10) == 0 else {}))
    return rows


def names(found):
    return [item.hash_key.value for item in found]


def test_rows_are_read_in_key_order_from_any_key():
    rows = filled(50)
    every = [f"row-{number:06}" for number in range(50)]
    assert names(rows.after(None)) == every
    assert names(rows.after(text("row-000019"))) == every[20:]
    assert names(rows.after(text("row-000019-gone"))) == every[20:]


def test_an_index_follows_the_changes_of_a_row():
    rows = filled(10)
    key = text("row-000003")
    rows[key] = row("row-000003", shard="seven")
    assert names(rows.having("shard", text("seven"))) == ["row-000003"]
    rows[key].attrs["shard"] = text("eight")
    rows.refile(key)
    assert rows.having("shard", text("seven")) == []
    assert names(rows.having("shard", text("eight"))) == ["row-000003"]
    del rows[key].attrs["shard"]
    rows.refile(key)
    assert rows.having("shard", text("eight")) == []
    rows[key] = row("row-000003", shard="nine")
    rows.pop(key)
    assert rows.having("shard", text("nine")) == []
    assert "row-000003" not in names(rows.after(None)) + names(rows.with_any("shard"))


def test_a_copy_is_independent():
    rows = filled(10)
    copied = copy.deepcopy(rows)
    rows.pop(text("row-000003"))
    assert len(names(copied.after(None))) == 10
    with pytest.raises(KeyError):
        rows.pop(text("row-000003"))


def looks(monkeypatch, count):
    """Count key comparisons and hashes during one write and the reads after it."""
    rows = filled(count)
    rows.having("shard", text("busy"))  # the index is kept from here on
    counted = []
    cast = DynamoType.cast_value.fget
    with monkeypatch.context() as patch:
        patch.setattr(
            DynamoType, "cast_value", property(lambda key: counted.append(key) or cast(key))
        )
        rows[text("new")] = row("new")
        rows.refile(text("new"))
        assert len(rows.having("shard", text("busy"))) == 10
        assert len(list(islice(rows.after(text("row-000017")), 20))) == 20
        rows.pop(text("new"))
    return len(counted)


def test_writing_and_reading_do_not_search_the_other_rows(monkeypatch):
    few, many = looks(monkeypatch, 100), looks(monkeypatch, 10_000)
    # A binary search among a hundred times as many keys needs seven more comparisons.
    assert 0 < few <= many <= few + 4 * 7
