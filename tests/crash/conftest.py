"""Systems of their own for the tests that break them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.harness import System

NewSystem = Callable[..., System]


@pytest.fixture
def new_system(tmp_path: Path) -> Iterator[NewSystem]:
    """Make systems: `new_system(config=[…], lease=2.0, setting=…)`; all of it ends with the test."""
    made: list[System] = []

    def new(**options: object) -> System:
        made.append(System(tmp_path / str(len(made)), **options))  # type: ignore[arg-type]
        return made[-1]

    yield new
    for system in made:
        system.close()


@pytest.fixture
def system(new_system: NewSystem) -> System:
    """A system with a lease of two seconds."""
    return new_system()
