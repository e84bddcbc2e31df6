"""Changes of the rows of an item by an operator, while orders go on. Each counts once."""

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from workers.aws.dynamodb import DynamoStore
from workers.ops.heartbeats import fleet
from workers.runtime.errors import Conflict
from workers.runtime.ports import Store, Transaction
from workers.runtime.roster import Heartbeat
from workers.services import buckets
from workers.services.buckets import NotEnough
from workers.services.stock import Stock, look
from workers.version import STOCK_BUCKETS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OPERATOR: Final = "operator#"  # of the inbox key of a change by an operator
TRIES: Final = 40  # of a change that orders get in the way of
LONGEST_WAIT: Final = 0.2  # s between two tries: 4 s in all, on average
PAUSE: Final = "pause inventory for some seconds: workers pause inventory --for 30s --yes"

Act = Callable[[Transaction, int], tuple[Stock, Stock]]  # called with the number of the try, from 0


def stock_of(dynamodb: "DynamoDBClient", table: str, sku: str) -> Stock:
    """Read the stock of an item: one request for each bucket."""
    return look(sku, DynamoStore(dynamodb, table).begin("look")).stock


def outdated(dynamodb: "DynamoDBClient", table: str) -> list[Heartbeat]:
    """Return the running workers of a version that knows no buckets.

    It would sell the first bucket only, and find the item out of stock after that.
    """
    return [each for each in fleet(dynamodb, table).running if STOCK_BUCKETS not in each.features]


def spread(store: Store, sku: str, count: int) -> tuple[Stock, Stock]:
    """Split or merge the rows of an item; return its stock before and after.

    Raises ``Conflict`` if orders keep changing it.
    """
    return change(store, lambda tx, _: buckets.arrange(sku, tx, buckets=count))


def set_available(
    store: Store, sku: str, available: int, reorder_threshold: int | None
) -> tuple[Stock, Stock]:
    """Set the available units of an item; return its stock before and after. As ``spread``."""
    return change(
        store,
        lambda tx, _: buckets.arrange(
            sku, tx, available=available, reorder_threshold=reorder_threshold
        ),
    )


def adjust(store: Store, sku: str, number: int) -> tuple[Stock, Stock]:
    """Add units to an item or take some away; return its stock before and after.

    Adding uses fewer buckets with every second try: the more rows, the more often an order is in
    the way. Orders may take units between the look and the write: they are not in the stock that
    is returned. Raises ``NotEnough``, and ``Conflict`` as ``spread``, which is likely only if the
    change writes all buckets; see ``buckets.adjust``.
    """

    def act(tx: Transaction, attempt: int) -> tuple[Stock, Stock]:
        over = max(1, buckets.MAX_BUCKETS >> attempt // 2)
        return buckets.adjust(sku, number, tx, over=over, choose=random.randrange)

    return change(store, act, advice=PAUSE.capitalize())


def change(
    store: Store,
    act: Act,
    *,
    advice: str = f"Add units with stock adjust, or {PAUSE}",
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Stock, Stock]:
    """Change rows in one transaction, and repeat it after a conflict.

    All tries have one key in the inbox: a try that was committed and not answered counts once.
    Raises what ``act`` raises, and ``Conflict`` with ``advice`` if no try succeeds.
    """
    key, tries = f"{OPERATOR}stock-{uuid4().hex}", list[tuple[Stock, Stock]]()
    while len(tries) < TRIES:
        transaction = store.begin(key)
        try:
            tries.append(act(transaction, len(tries)))
        except NotEnough:
            if tries and store.recall(key):  # the try before took them, and was not answered
                return tries[-1]
            raise
        try:
            record = store.commit(transaction, ())
        except Conflict:
            sleep(random.uniform(0, LONGEST_WAIT))  # noqa: S311 - not a secret
        else:
            # Repeated: a try before did it, or an attempt of the SDK at this one.
            return tries[-2 if record.repeated and len(tries) > 1 else -1]
    raise Conflict(f"dynamodb: orders kept changing {tries[0][0].sku}. {advice}")
