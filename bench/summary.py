"""Lays out the key figures of all scenarios in one table, one row per peer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from bench.columns import COLUMNS
from bench.figures import Figures


class Column(NamedTuple):
    """One figure of one scenario."""

    scenario: str
    figure: str
    heading: str


SUMMARY: Final = (
    Column("noop", "requests", "no-op: requests / 1,000"),
    Column("noop", "ratio", "CPU x boto3"),
    Column("noop", "wire", "CPU x wire"),
    Column("sleep50", "utilisation", "50 ms: utilisation"),
    Column("heavy", "utilisation", "heavy tail: utilisation"),
    Column("steady", "requests", "200/s: requests / 1,000"),
    Column("steady", "latency p50", "p50 ms"),
    Column("idle", "idle requests", "idle: requests / min"),
    Column("idle", "idle cpu", "CPU s / min"),
    Column("memory", "proportional", "PSS MiB"),
    Column("payment", "cpu", "payment: CPU ms"),
    Column("order", "cpu", "order: CPU ms"),
    Column("api", "rate", "POST /orders / s"),
)

Figured = Mapping[str, Mapping[str, Figures]]  # scenario -> peer -> figures


def summary(figured: Figured) -> list[list[str]]:
    """Return the rows of the table, heading first, with columns only for scenarios that ran."""
    columns = [column for column in SUMMARY if column.scenario in figured]
    peers = dict.fromkeys(peer for column in columns for peer in figured[column.scenario])
    rows = [[peer, *_cells(peer, columns, figured)] for peer in _ours_last(peers)]
    return [["peer", *(column.heading for column in columns)], *rows]


def _cells(peer: str, columns: Sequence[Column], figured: Figured) -> list[str]:
    cells = []
    for scenario, figure, _ in columns:
        found = figured[scenario].get(peer, {}).get(figure)
        cells.append("" if found is None else f"{found:,.{COLUMNS[figure][1]}f}")
    return cells


def _ours_last(peers: Iterable[str]) -> list[str]:
    return sorted(peers, key=lambda peer: peer.startswith("ours"))
