"""Rounds: all systems in turn (A B C A B C), medians, ratios within a round; a wrong result voids it."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from benchmarks.drivers import DriverError
from benchmarks.environments import UnavailableError
from benchmarks.outcome import Ratio
from benchmarks.systems.base import System

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How much to measure: rounds, seconds that a round should last, and whether it is only a look."""

    rounds: int = 5
    seconds: float = 3.0
    quick: bool = False


@dataclass
class Rounds(Generic[T]):
    """Samples by system and round (None where the round is void), and what must be said about them."""

    samples: dict[str, list[T | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[T]:
        """The valid samples of a system."""
        return [sample for sample in self.samples.get(name, []) if sample is not None]

    def median(self, name: str, value: Callable[[T], float]) -> float:
        """The median over the valid rounds; the system must have one."""
        return statistics.median(value(sample) for sample in self.of(name))

    def names(self) -> list[str]:
        """The systems with at least one valid round, in the order they were given."""
        return [name for name in self.samples if self.of(name)]

    def ratio(
        self,
        ours: str,
        others: Sequence[str],
        value: Callable[[T], float],
        *,
        goal: float | None = None,
        label: str = "",
        best: Callable[[Sequence[float]], float] = max,
    ) -> list[Ratio]:
        """Ours against the best of the others in each round where both are valid; empty without any."""
        values = []
        for turn, mine in enumerate(self.samples.get(ours, [])):
            theirs = [sample for name in others if (sample := self._at(name, turn)) is not None]
            if mine is not None and theirs:
                values.append(value(mine) / best([value(sample) for sample in theirs]))
        text = label or f"{ours} / {' or '.join(others)}"
        return [Ratio(text, values, goal)] if values else []

    def raw(self) -> dict[str, Any]:
        """Every sample, for the JSON file."""
        return {name: [vars(s) if s else None for s in row] for name, row in self.samples.items()}

    def _at(self, name: str, turn: int) -> T | None:
        row = self.samples.get(name, [])
        return row[turn] if turn < len(row) else None


def interleave(systems: Sequence[System], rounds: int, take: Callable[[System], tuple[T, Any]]) -> Rounds[T]:
    """Measure every system once per round; `take` returns a sample and the driver's versions."""
    found: Rounds[T] = Rounds()
    runnable = list(_available(systems, found))
    for turn in range(1, rounds + 1):
        for system in runnable:
            print(f"  round {turn} of {rounds}: {system.name}", file=sys.stderr, flush=True)
            sample: T | None = None
            try:
                sample, versions = take(system)
                found.versions.update(versions["versions"])
            except (DriverError, OSError, subprocess.SubprocessError) as error:
                found.notes.append(f"{system.name}: round {turn} is void, {error}.")
            found.samples.setdefault(system.name, []).append(sample)
    return found


def _available(systems: Sequence[System], found: Rounds[T]) -> list[System]:
    kept = []
    for system in systems:
        try:
            system.interpreter()
        except UnavailableError as error:
            found.notes.append(f"{system.name} is left out: {error}.")
        else:
            kept.append(system)
    return kept
