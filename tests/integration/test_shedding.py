"""order-api refuses requests that it cannot serve soon, and its health checks answer meanwhile."""

import asyncio
from threading import Event

import httpx
import pytest
from support.eventually import eventually
from support.http_server import HttpServer
from support.order_api import ORDER, Api

from workers.api.limits import MAX_IN_FLIGHT, REQUEST_THREADS
from workers.runtime.observability.health import Health, Status

pytestmark = pytest.mark.integration

PATIENCE = 60.0  # s; a busy machine
MORE = 50


@pytest.fixture
def stuck():
    """Return order-api with a store that answers nothing until ``go`` is set."""
    api, go = Api(), Event()
    begin, api.entered = api.store.begin, []

    def waiting(*args, **options):
        api.entered.append(1)
        go.wait(PATIENCE)
        return begin(*args, **options)

    api.store.begin, api.go = waiting, go
    yield api
    go.set()


def test_more_requests_than_a_task_can_serve_are_shed_and_health_checks_answer(stuck):
    async def scenario(url, health):
        limits = httpx.Limits(max_connections=MAX_IN_FLIGHT + MORE + 1)
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as client:
            running = [
                asyncio.create_task(client.post("/orders", json=ORDER))
                for _ in range(MAX_IN_FLIGHT + MORE)
            ]
            await asyncio.to_thread(eventually, lambda: sum(t.done() for t in running) == MORE, 60)
            await asyncio.to_thread(eventually, lambda: len(stuck.entered) == REQUEST_THREADS)
            shed = [task.result() for task in running if task.done()]
            alive = await client.get("/healthz")
            ready = await client.get(f"http://127.0.0.1:{health}/readyz")
            stuck.go.set()
            return shed, alive, ready, await asyncio.gather(*running)

    health = Health(Status).serve(0)
    with HttpServer(stuck.app) as server:
        shed, alive, ready, answers = asyncio.run(scenario(server.url, health))

    assert {answer.status_code for answer in shed} == {503}
    assert {answer.headers["Retry-After"] for answer in shed} == {"1"}
    assert {answer.json()["type"] for answer in shed} == {"urn:problem-type:overloaded"}
    assert (alive.status_code, ready.status_code) == (200, 200)
    assert [answer.status_code for answer in answers].count(202) == MAX_IN_FLIGHT
