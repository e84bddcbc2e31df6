"""Places orders over HTTP, on connections that stay open."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from threading import Lock
from uuid import uuid4

ITEMS = 100  # items in the shop, each with more stock than a run can sell
LINES = 3  # of an order
ACCEPTED = 202
_TIMEOUT = 30.0  # s
_PATIENCE = 60.0  # s for the first answer
_PAUSE = 0.2  # s between attempts to connect
_numbers = count()  # of all orders of this process: every customer gets one


@dataclass(frozen=True)
class Placed:
    """An order that was accepted: when it was due (epoch s), and how long the answer took (s).

    A client that had to wait for a free connection waits, too.
    """

    order_id: str
    at: float
    took: float


class Refused(Exception):
    """The API did not accept an order."""


def place(port: int, number: int, *, connections: int, rate: float = 0.0) -> list[Placed]:
    """Place ``number`` orders: as fast as the answers come, or ``rate`` a second.

    Raises ``Refused`` if one is not accepted.
    """
    begin, left, lock = time.time(), iter(range(number)), Lock()

    def run(_: int) -> list[Placed]:
        connection, done = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT), []
        try:
            for position in _shared(left, lock):
                due = begin + position / rate if rate else time.time()
                time.sleep(max(0.0, due - time.time()))
                done.append(_post(connection, due))
        finally:
            connection.close()
        return done

    with ThreadPoolExecutor(connections) as pool:
        return [placed for part in pool.map(run, range(connections)) for placed in part]


def wait_for(port: int, check: Callable[[], None]) -> Placed:
    """Place one order as soon as the API answers; ``check`` raises if a process has ended.

    Raises ``Refused`` if there is no answer.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return place(port, 1, connections=1)[0]
        except (OSError, HTTPException):
            check()
            if time.monotonic() > deadline:
                raise Refused(f"no answer within {_PATIENCE:.0f} s") from None
            time.sleep(_PAUSE)


def sku(number: int) -> str:
    """Return the SKU of an item of the shop."""
    return f"SKU-{number % ITEMS:04d}"


def _post(connection: HTTPConnection, at: float) -> Placed:
    body = _order(next(_numbers))
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    try:
        status, answer = _ask(connection, body, headers)
    except ConnectionError:  # it was idle, and the server has closed it
        connection.close()
        status, answer = _ask(connection, body, headers)
    if status != ACCEPTED:
        raise Refused(f"{status}: {answer[:200]!r}")
    return Placed(json.loads(answer)["orderId"], at, time.time() - at)


def _ask(connection: HTTPConnection, body: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection.request("POST", "/orders", body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def _order(number: int) -> str:
    lines: Sequence[dict[str, object]] = [
        {"sku": sku(7 * number + line), "quantity": 1, "price": "19.99"} for line in range(LINES)
    ]
    customer = f"customer-{number}@example.com"
    return json.dumps({"customerEmail": customer, "currency": "EUR", "items": lines})


def _shared(numbers: Iterator[int], lock: Lock) -> Iterator[int]:
    while True:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        yield number
