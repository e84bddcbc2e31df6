"""A write of a row that an order is writing too is repeated."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from workers.ops import stock_changes
from workers.runtime.errors import Conflict


class Hot:
    """A DynamoDB with one item, whose writes meet ``orders`` transactions."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=KeyError)

    def __init__(self, orders):
        self.orders = orders
        self.row = {"available": {"N": "5"}, "reserved": {"N": "0"}, "version": {"N": "1"}}

    def get_item(self, **_):
        return {"Item": self.row}

    def update_item(self, **_):
        if self.orders:
            self.orders -= 1
            error = {"Code": "TransactionConflictException", "Message": "ongoing"}
            raise ClientError({"Error": error}, "UpdateItem")
        self.row |= {"available": {"N": "9"}}
        return {"Attributes": self.row}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(stock_changes._update.retry, "sleep", lambda _seconds: None)  # noqa: SLF001


def test_an_adjustment_waits_for_the_order_that_writes_the_row():
    assert stock_changes.adjust(Hot(orders=3), "inventory", "tea", 4).available == 9


def test_it_gives_up_on_a_row_that_is_never_free():
    with pytest.raises(Conflict):
        stock_changes.adjust(Hot(orders=1_000), "inventory", "tea", 4)
