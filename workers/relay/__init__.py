"""The relay: publishes events that order-api committed but did not publish itself."""

from workers.relay.metrics import RelayMetrics
from workers.relay.relay import Relay

__all__ = ["Relay", "RelayMetrics"]
