"""The command line of one app, with a worker beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from celeriac.stack.valkey import Valkey
from celeriac.store import workers
from tests.article.running import Program, eventually
from tests.steering.steered import make_app


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


def runner(app: Flask) -> Run:
    def run(*words: str, **options: Any) -> Said:
        result = app.test_cli_runner().invoke(args=["jobs", *words], **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def app(broker_url: str) -> Flask:
    """An app over an empty database, without a worker."""
    return make_app(broker_url)


@pytest.fixture
def run(app: Flask) -> Run:
    """Run `flask jobs …` where nobody works."""
    return runner(app)


@pytest.fixture(scope="session")
def served(valkey: Valkey, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run `flask jobs …` where a worker does the jobs."""
    url = valkey.url.removesuffix("/0") + f"/{next(_numbers)}"
    app = make_app(url)
    program = Program(
        ["celery", "-A", "tests.steering.worker_app", "worker", "-P", "threads", "-c", "4", "-n", "cli@test"],
        tmp_path_factory.mktemp("log") / "worker.log",
        {"BROKER_URL": url},
    )
    context = app.extensions["celeriac"].context
    eventually(lambda: workers.list_workers(context.client, context.space), "a heartbeat")
    yield runner(app)
    program.stop()
