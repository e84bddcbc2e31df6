"""Outbox out: publishes what order-api committed but could not publish itself."""

from workers.relay.metrics import RelayMetrics
from workers.relay.relay import Relay

__all__ = ["Relay", "RelayMetrics"]
