"""The export of traces harms no message.

It is not in test_traces.py, whose system takes the environment that a world needs.
"""

import signal

import pytest

from local.ports import release_port, reserve_port

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def test_a_receiver_that_is_down_costs_one_line_and_no_message(world, work):
    closed = reserve_port()
    worker = work(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{closed}",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_SCHEDULE_DELAY="100",
    )
    orders = [f"order-{number}" for number in range(30)]
    for order in orders:
        world.send(order)
    worker.says("message.settled", times=len(orders))
    worker.says("traces.not_exported")
    worker.signal(signal.SIGTERM)

    assert worker.ends() == 0
    release_port(closed)
    assert [world.effects(order) for order in orders] == [1] * len(orders)
    assert len(worker.lines("traces.not_exported")) == 1
    assert worker.stderr == ""
