"""Horizontal bars as SVG, by hand: the median as a bar, the range of the rounds as a whisker."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.outcome import Bar

WIDTH, LEFT, RIGHT, ROW, TOP = 800, 190, 90, 24, 40
OURS, OTHERS = "#2f855a", "#a0aec0"
STYLE = "text{font:12px system-ui,sans-serif;fill:#2d3748}.t{font-weight:600;font-size:14px}"


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """The picture; one row for each bar, in the order given."""
    scale = (WIDTH - LEFT - RIGHT) / max(bar.high for bar in rows)
    height = TOP + ROW * len(rows) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}, {escape(unit)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="t" x="10" y="22">{escape(title)} ({escape(unit)})</text>',
    ]
    parts += [_row(bar, TOP + ROW * i, scale) for i, bar in enumerate(rows)]
    return "\n".join([*parts, "</svg>", ""])


def _row(bar: Bar, y: int, scale: float) -> str:
    middle, low, high = (LEFT + value * scale for value in (bar.value, bar.low, bar.high))
    line = y + ROW // 2 - 3
    return (
        f'<text x="{LEFT - 8}" y="{line + 4}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect x="{LEFT}" y="{y + 1}" width="{middle - LEFT:.1f}" height="{ROW - 8}" '
        f'fill="{OURS if bar.ours else OTHERS}"/>'
        f'<path d="M{low:.1f} {line}H{high:.1f}" stroke="#2d3748"/>'
        f'<text x="{high + 6:.1f}" y="{line + 4}">{_number(bar.value)}</text>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
