"""Runs order-api on fakes or adapters, and sends requests without a socket."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from prometheus_client import CollectorRegistry

from support.fakes import FakeClock, FakeOutbox, FakeStore, FakeTopic
from workers.api.app import create_app
from workers.api.authentication import everybody
from workers.api.rate import RateLimit
from workers.services.orders import OrderCommands
from workers.services.prices import nothing_listed

ORDER = {
    "customerEmail": "ada@example.com",
    "currency": "EUR",
    "items": [{"sku": "LAPTOP-001", "quantity": 2, "price": 850}],
}


@dataclass
class Api:
    """The application, and its store, topic and outbox."""

    allow_simulation: bool = False
    origin_keys: tuple = ()
    store: FakeStore = field(default_factory=lambda: FakeStore(outbox=True))
    topic: FakeTopic = field(default_factory=FakeTopic)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    outbox: FakeOutbox = None
    prices: Callable = nothing_listed
    sign: object = None
    identify: object = everybody
    docs: bool = True
    rate: RateLimit | None = None

    def __post_init__(self):
        self.outbox = self.outbox or FakeOutbox(self.store)
        self.app = create_app(
            OrderCommands(now=FakeClock().now, prices=self.prices),
            self.store,
            self.topic,
            self.outbox,
            allow_simulation=self.allow_simulation,
            origin_keys=self.origin_keys,
            registry=self.registry,
            sign=self.sign,
            identify=self.identify,
            docs=self.docs,
            rate=self.rate,
        )

    def post(self, path, body=None, **options):
        if body is not None:
            options["json"] = body
        return self.request("POST", path, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def request(self, method, path, **options):
        """Send a request; return after its background tasks."""
        return asyncio.run(self._request(method, path, options))

    async def _request(self, method, path, options):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://order-api") as client:
            return await client.request(method, path, **options)

    def place(self, key=None, **changes):
        """Place an order and return the body of the response."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.post("/orders", ORDER | changes, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def move(self, order_id, state):
        """Set the state of an order, like the services."""
        key = f"order#{order_id}"
        self.store.seed(key, self.store.documents[key] | {"state": state})
