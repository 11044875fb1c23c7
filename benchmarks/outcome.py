"""What a benchmark found: table, ratios round by round, void rounds; kept as JSON for the page."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environments import VAR


@dataclass(frozen=True)
class Ratio:
    """One system against another, round by round; `goal` is the least it should be (negated: the most)."""

    label: str
    values: list[float]
    goal: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def words(self) -> str:
        """`2.1 (2.0 2.1 2.3), goal ≥ 2: met`."""
        rounds = " ".join(f"{value:.2f}" for value in self.values)
        return f"{self.label}: {self.median:.2f} ({rounds}){self._verdict()}"

    def _verdict(self) -> str:
        if self.goal is None:
            return ""
        bound = abs(self.goal)
        met = self.median >= bound if self.goal > 0 else self.median <= bound
        return f", goal {'≥' if self.goal > 0 else '≤'} {bound:g}: {'met' if met else 'NOT met'}"


@dataclass(frozen=True)
class Bar:
    """One bar of the plot: the median and the range of its rounds."""

    label: str
    value: float
    low: float
    high: float
    ours: bool = False


@dataclass
class Outcome:
    """Everything a reader needs of one benchmark."""

    name: str
    title: str
    method: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    unit: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> Path:
        """Write it to `<folder>/<name>.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")
        return path


def load(path: Path) -> Outcome:
    """Read a saved outcome."""
    values = json.loads(path.read_text())
    values["ratios"] = [Ratio(**ratio) for ratio in values["ratios"]]
    values["bars"] = [Bar(**bar) for bar in values["bars"]]
    return Outcome(**values)


def kept(*, quick: bool) -> Path:
    """Where outcomes are kept: those of quick runs never reach the page."""
    return VAR / ("quick" if quick else "results")
