"""The studio, one for each file of tests: an empty database and folder, a worker in it, and people at its door."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from flask import Flask

from celeriac.stack.valkey import Valkey
from celeriac.store.files import Files
from celeriac.worker.embedded import embedded_worker
from celeriac.worker.file import files_of
from tests.api.served import Person
from tests.files.studio import make_app


@pytest.fixture(scope="module")
def studio(valkey: Valkey, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The app, closed as in production."""
    broker_url = f"{valkey.url.removesuffix('/0')}/{next(_numbers)}"
    return make_app(BROKER_URL=broker_url, CELERIAC_DATA=str(tmp_path_factory.mktemp("studio")))


@pytest.fixture
def shelf(studio: Flask) -> Files:
    """Where its files are, empty."""
    found = files_of(studio.extensions["celery"].settings)
    shutil.rmtree(found.folder, ignore_errors=True)
    return found


@pytest.fixture(scope="module")
def working(studio: Flask) -> Iterator[None]:
    """A worker for it."""
    with embedded_worker(studio.extensions["celery"]):
        yield


@pytest.fixture(scope="module")
def ann(studio: Flask) -> Person:
    """Somebody who submits and reads."""
    return Person(studio, "ann", "submit", "read")


@pytest.fixture(scope="module")
def bob(studio: Flask) -> Person:
    """Somebody else who does."""
    return Person(studio, "bob", "submit", "read")


@pytest.fixture(scope="module")
def olga(studio: Flask) -> Person:
    """An operator."""
    return Person(studio, "olga", "operate")


@pytest.fixture(scope="module")
def stranger(studio: Flask) -> Person:
    """Somebody without a token."""
    return Person(studio, "")
