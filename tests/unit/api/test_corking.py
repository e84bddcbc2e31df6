"""Writes within one turn of the event loop are sent together, and nothing is lost."""

import asyncio

import pytest
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from workers.api.corking import Corked


class Transport:
    """Remembers what it was told."""

    def __init__(self):
        self.calls, self.closing = [], False

    def write(self, data):
        self.calls.append(data)

    def close(self):
        self.calls.append("close")
        self.closing = True

    def is_closing(self):
        return self.closing


@pytest.fixture
def transport():
    return Transport()


def run(transport, act):
    """Let ``act`` use a corked transport, then end the turn of the loop."""

    async def scenario():
        act(Corked(transport, asyncio.get_running_loop()))
        during = list(transport.calls)
        await asyncio.sleep(0)
        return during

    return asyncio.run(scenario())


def test_head_and_body_are_one_write(transport):
    def act(corked):
        corked.write(b"head ")
        corked.write(b"body")
        corked.flush()

    assert run(transport, act) == [b"head body"]
    assert transport.calls == [b"head body"]


def test_a_write_that_nobody_flushes_is_sent_at_the_end_of_the_turn(transport):
    assert run(transport, lambda corked: corked.write(b"100 Continue")) == []
    assert transport.calls == [b"100 Continue"]


def test_a_close_sends_what_is_held_first(transport):
    def act(corked):
        corked.write(b"bye")
        corked.close()

    assert run(transport, act) == [b"bye", "close"]


def test_nothing_is_written_to_a_transport_that_is_closing(transport):
    def act(corked):
        corked.write(b"late")
        transport.closing = True
        corked.flush()

    run(transport, act)

    assert transport.calls == []


def test_a_stream_is_not_held(transport):
    part = bytes(HIGH_WATER_LIMIT)

    def act(corked):
        corked.write(part)
        corked.write(part)

    assert run(transport, act) == [part * 2]
