"""Results of scheduled commands as metrics for CloudWatch, which alarms watch."""

from typing import Final

from workers.bootstrap import METRICS_NAMESPACE
from workers.runtime.observability.emf import line_of

DIFFERENCES: Final = "ReconciliationDifferences"
SERVICE: Final = "reconcile"  # the dimension; terraform/reconcile.tf has the same


def differences(count: int, *, environment: str, now: float) -> dict[str, object]:
    """Return the log line of a reconciliation that found ``count`` differences.

    It must be printed as one line of JSON. ``now`` is in epoch seconds.
    """
    return line_of(
        {(DIFFERENCES, "Count"): count},
        namespace=METRICS_NAMESPACE,
        dimensions={"Environment": environment, "Service": SERVICE},
        now=now,
    )
