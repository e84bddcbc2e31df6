"""A change of an ordinary item: it waits for the orders that write its row, and counts once."""

import pytest
from botocore.exceptions import ClientError

from workers.ops import stock_buckets, stock_changes
from workers.runtime.errors import Conflict


class Hot:
    """A DynamoDB with one item, whose writes meet ``orders`` transactions."""

    def __init__(self, orders):
        self.orders = orders
        self.row = {"available": {"N": "5"}, "reserved": {"N": "0"}, "version": {"N": "1"}}

    def get_item(self, Key, **_):  # noqa: N803 - as boto3
        return {"Item": self.row} if Key == {"pk": {"S": "stock#tea"}} else {}

    def transact_write_items(self, TransactItems):  # noqa: N803 - as boto3
        inbox, change = TransactItems
        assert inbox["Put"]["Item"]["pk"]["S"].startswith("inbox#operator#stock-")
        if self.orders:
            self.orders -= 1
            error = {"Code": "TransactionCanceledException", "Message": "ongoing"}
            reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
            raise ClientError(
                {"Error": error, "CancellationReasons": reasons}, "TransactWriteItems"
            )
        self.written = change


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(stock_buckets, "LONGEST_WAIT", 0)


@pytest.mark.parametrize("orders", [0, 3])
def test_an_adjustment_waits_for_the_order_that_writes_the_row(orders):
    hot = Hot(orders)

    assert stock_changes.adjust(hot, "inventory", "tea", 4).available == 9
    assert hot.written["Update"]["ExpressionAttributeValues"][":f0"] == {"N": "4"}


def test_it_gives_up_on_a_row_that_is_never_free():
    with pytest.raises(Conflict, match=r"changing tea\. Pause inventory"):
        stock_changes.adjust(Hot(orders=1_000), "inventory", "tea", 4)
