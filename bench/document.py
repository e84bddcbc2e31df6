"""Writes the tables into docs/BENCHMARK.md, between its two markers."""

import re
from collections.abc import Sequence
from pathlib import Path

from bench.report import markdown
from bench.rounds import Result

DOCUMENT = Path(__file__).parents[1] / "docs" / "BENCHMARK.md"
_MARKED = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)


def update(results: Sequence[Result], document: Path = DOCUMENT) -> None:
    """Replace the marked part of the document with the tables; the text around it stays."""
    tables = f"\n{markdown(results)}\n\n"
    text, found = _MARKED.subn(
        lambda match: f"{match[1]}{tables}{match[2]}", document.read_text("utf-8")
    )
    if found != 1:
        raise ValueError(f"{document} needs the markers <!-- bench --> and <!-- /bench --> once")
    document.write_text(text, "utf-8")
