"""Pytest fixtures for an app that uses Celeriac: `pytest_plugins = ["celeriac.testing"]` in its conftest.py.

`redis_url` is an empty database of a private Valkey; `work_jobs(app)` does the app's jobs in this process meanwhile:

    def test_add(redis_url, work_jobs):
        app = create_app(BROKER_URL=redis_url)
        with work_jobs(app):
            assert add.delay(1, 2).get(timeout=10) == 3
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from flask import Flask

from celeriac.errors import ConfigError
from celeriac.stack.valkey import Valkey
from celeriac.worker.embedded import embedded_worker

DATABASES = 1024
WorkJobs = Callable[[Flask], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A private Valkey for the session; StartError when no server program is found."""
    server = Valkey(tmp_path_factory.mktemp("redis"), config=[f"databases {DATABASES}"]).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _databases() -> Iterator[int]:
    return itertools.cycle(range(DATABASES))


@pytest.fixture
def redis_url(redis_server: Valkey, _databases: Iterator[int]) -> str:
    """The URL of a database that no other test uses."""
    return f"{redis_server.url.rpartition('/')[0]}/{next(_databases)}"


@pytest.fixture
def work_jobs() -> WorkJobs:
    """Give `work_jobs(app)`: within it a worker with threads does the app's jobs, every queue's."""

    @contextmanager
    def work_jobs(app: Flask) -> Iterator[None]:
        if "celery" not in app.extensions:
            raise ConfigError("This app has no Celeriac.", "Call Celeriac(app) first.")
        with embedded_worker(app.extensions["celery"]):
            yield

    return work_jobs
