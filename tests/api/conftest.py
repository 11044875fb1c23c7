"""An app over an empty database for each test, with people at its door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from celeriac import history
from tests.api.served import Hand, Person, make_app


@pytest.fixture
def keeps() -> bool:
    """Whether `app` has a history; a file of tests that needs one says so."""
    return False


@pytest.fixture
def app(broker_url: str, keeps: bool, tmp_path: Path) -> Iterator[Flask]:
    """An app as in production: closed, with a good secret."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    made = make_app(broker_url, CELERIAC_HISTORY=keeps, DATABASE_URL=url, CELERIAC_DATA=str(tmp_path))
    if keeps:
        history.of(made).upgrade()
    yield made
    if copier := made.extensions.get("celeriac.history", {}).get("copier"):
        copier.stop()


@pytest.fixture
def open_app(broker_url: str, tmp_path: Path) -> Flask:
    """The same app in local development."""
    return make_app(broker_url, CELERIAC_LOCAL=True, CELERIAC_DATA=str(tmp_path))


@pytest.fixture
def me(open_app: Flask) -> Person:
    """Whoever sits at this machine, in local development."""
    return Person(open_app, "")


@pytest.fixture
def ann(app: Flask) -> Person:
    """Somebody who submits and reads."""
    return Person(app, "ann", "submit", "read")


@pytest.fixture
def bob(app: Flask) -> Person:
    """Somebody else who submits and reads."""
    return Person(app, "bob", "submit", "read")


@pytest.fixture
def olga(app: Flask) -> Person:
    """An operator."""
    return Person(app, "olga", "operate")


@pytest.fixture
def stranger(app: Flask) -> Person:
    """Somebody without a token."""
    return Person(app, "")


@pytest.fixture
def hand(app: Flask) -> Hand:
    """A worker whose every step is the test's."""
    return Hand(app.extensions["celeriac"].context)
