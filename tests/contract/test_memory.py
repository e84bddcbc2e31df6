"""Outcomes are remembered for longer than an event can be redelivered."""

from datetime import timedelta

import pytest

from workers.runtime.memory import INBOX_RETENTION
from workers.services.payment import PaymentGateway
from workers.topology import Topology

TOPOLOGY = Topology.load()
SNS_RETRIES = timedelta(days=23)
REDRIVES = 1


def longest_way(service):
    """Add up the longest life of a message: in SNS, the queue and the dead-letter queue."""
    kept, dead = (timedelta(seconds=s) for s in (service.retention, service.dlq_retention))
    undelivered = dead  # terraform/modules/queue keeps undelivered messages as long
    return SNS_RETRIES + undelivered + (1 + REDRIVES) * (kept + dead)


@pytest.mark.parametrize("name", TOPOLOGY.consumers)
def test_the_inbox_outlasts_every_redelivery(name):
    assert longest_way(TOPOLOGY.services[name]) < INBOX_RETENTION


def test_the_gateway_port_states_how_long_a_key_is_remembered():
    days = longest_way(TOPOLOGY.services["payment"]).days
    said = " ".join(PaymentGateway.__doc__.split())

    assert f"INBOX_RETENTION`` ({INBOX_RETENTION.days} days)" in said
    assert f"take {days} days" in said
