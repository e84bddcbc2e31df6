"""Draws lines over time as SVG: panels below each other, each with its own axis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

SPACE: Final = "http://www.w3.org/2000/svg"
FONT: Final = 'font-family="sans-serif" font-size="11"'
WIDTH: Final = 860  # pixels, as are all sizes here
PANEL: Final = 190
LEFT: Final = 70
RIGHT: Final = 130
TOP: Final = 34
GAP: Final = 34
TICKS: Final = 4  # of the vertical axis
MINUTES: Final = 10  # between marks of the horizontal axis
# Told apart with any kind of colour vision: Okabe and Ito, https://jfly.uni-koeln.de/color/
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True)
class Panel:
    """One diagram. The lines have a value per minute."""

    title: str
    lines: Mapping[str, Sequence[float]]


def draw(title: str, panels: Sequence[Panel]) -> str:
    """Return the SVG document."""
    height = TOP + len(panels) * (PANEL + GAP) + GAP
    parts = [
        f'<svg xmlns="{SPACE}" viewBox="0 0 {WIDTH} {height}" role="img" {FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for position, panel in enumerate(panels):
        parts += _panel(panel, TOP + position * (PANEL + GAP) + GAP / 2)
    parts.append(f'<text x="{LEFT}" y="{height - 10}">minutes</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, top: float) -> Iterator[str]:
    count = max(len(line) for line in panel.lines.values())
    highest = _round_up(max(max(line, default=0.0) for line in panel.lines.values()))
    wide, tall = WIDTH - LEFT - RIGHT, PANEL - GAP
    bottom = top + tall

    def x(minute: float) -> float:
        return LEFT + wide * minute / max(1, count - 1)

    yield f'<text x="{LEFT}" y="{top - 5:g}" font-weight="bold">{escape(panel.title)}</text>'
    for tick in range(TICKS + 1):
        y = bottom - tall * tick / TICKS
        yield f'<path d="M{LEFT} {y:g}h{wide}" stroke="#dddddd"/>'
        value = f"{highest * tick / TICKS:,.4g}" if highest < TICKS else ""
        value = value or f"{highest * tick / TICKS:,.0f}"
        yield f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{value}</text>'
    for minute in range(0, count, MINUTES):
        yield f'<text x="{x(minute):g}" y="{bottom + 14:g}" text-anchor="middle">{minute}</text>'
    for position, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[position % len(COLOURS)]
        points = " ".join(
            f"{x(minute):.1f},{bottom - tall * value / highest:.1f}"
            for minute, value in enumerate(line)
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        y = top + 10 + 16 * position
        yield f'<path d="M{WIDTH - RIGHT + 10} {y - 4:g}h14" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{WIDTH - RIGHT + 30}" y="{y:g}">{escape(name)}</text>'


def _round_up(value: float) -> float:
    """Return the next number with one digit other than 0, at least 1."""
    size = 1.0
    while size * 10 <= value:
        size *= 10
    return next(size * digit for digit in range(1, 11) if size * digit >= value)
