"""Apps to be watched: in this process with a hand that does their jobs, or as real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.watch.audience import Audience, make_app
from tests.watch.station import Station

NewStation = Callable[..., Station]


@pytest.fixture
def app(broker_url: str) -> Flask:
    """An app in local development, over an empty database."""
    return make_app(broker_url, CELERIAC_LOCAL=True)


@pytest.fixture
def audience(app: Flask) -> Iterator[Audience]:
    """Those who watch the app's jobs."""
    made = Audience(app)
    yield made
    made.leave()


@pytest.fixture
def station(broker_url: str, tmp_path: Path) -> Iterator[NewStation]:
    """Give `station(kind, places, url=…)`: a system of one's own; everything of it is stopped at the end."""
    made: list[Station] = []

    def new(kind: str = "gthread", places: int = 16, url: str = broker_url, **options: str) -> Station:
        made.append(Station(tmp_path, url, kind, places, **options))
        return made[-1]

    yield new
    for one in made:
        one.stop_all()
