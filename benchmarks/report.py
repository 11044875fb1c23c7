"""Outcomes as text for the terminal, and as the page docs/benchmarks.md with its plots."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks import plot
from benchmarks.outcome import Outcome

INTRO = """# Benchmarks

Written by `python3 dev.py bench`, which anyone can run. Every peer runs at its best documented setting, in an
environment of its own that is pinned by hash, on a fresh server with the same settings, all of them in turn
(A B C A B C). Look at the ratios of the same round and at the CPU per job: rates depend on the machine and on
what else it does. A round with a missing or a wrong result is void, and said.
"""


def text(outcome: Outcome) -> str:
    """The whole outcome for a terminal."""
    head = f"\n{outcome.title} ({', '.join(f'{k} {v}' for k, v in outcome.machine.items())})\n"
    lines = [head, *_table(outcome.columns, outcome.rows), ""]
    lines += [ratio.words() for ratio in outcome.ratios]
    lines += [f"! {note}" for note in outcome.notes]
    return "\n".join(lines)


def write_page(outcomes: Iterable[Outcome], docs: Path) -> Path:
    """Write docs/benchmarks.md and the plots beside it; return the page's path."""
    parts = [INTRO]
    for outcome in outcomes:
        parts.append(_section(outcome, docs))
    page = docs / "benchmarks.md"
    page.write_text("\n".join(parts))
    return page


def _section(outcome: Outcome, docs: Path) -> str:
    lines = [f"## {outcome.title}", "", outcome.method, ""]
    if outcome.bars:
        name = f"benchmarks-{outcome.name}.svg"
        (docs / name).write_text(plot.bars(outcome.title, outcome.unit, outcome.bars))
        lines += [f"![{outcome.title}, {outcome.unit}]({name})", ""]
    lines.append("| " + " | ".join(outcome.columns) + " |")
    lines.append("|" + "---|" * len(outcome.columns))
    lines += ["| " + " | ".join(row) + " |" for row in outcome.rows]
    lines += ["", *(f"* {ratio.words()}" for ratio in outcome.ratios)]
    lines += [f"* {note}" for note in outcome.notes]
    facts = [f"{key} {value}" for key, value in outcome.machine.items()]
    facts += [f"{name} {number}" for name, number in sorted(outcome.versions.items())]
    lines += ["", f"<small>{' · '.join(facts)}</small>", ""]
    return "\n".join(lines)


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    table = [columns, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
