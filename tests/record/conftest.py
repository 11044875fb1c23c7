"""Workers over private databases. Those of the session are started when a test first asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from celeriac.stack.valkey import Valkey
from tests.article.running import Program
from tests.record.desk import Desk

POOLS = {"prefork": "2", "threads": "4", "gevent": "20", "solo": "1"}
SETTINGS = {"CELERIAC_LEASE": "5", "CELERIAC_MAX_LOSSES": "2", "CELERIAC_CANCEL_GRACE": "1", "CELERIAC_GRACE": "20"}
Start = Callable[..., Program]
Lanes = Callable[[str], str]


@pytest.fixture(scope="session")
def record_url(valkey: Valkey, _numbers: Iterator[int]) -> str:
    """The database that the workers of the session share."""
    return valkey.url.removesuffix("/0") + f"/{next(_numbers)}"


@pytest.fixture(scope="session")
def desk(record_url: str) -> Desk:
    return Desk(record_url)


@pytest.fixture
def own(broker_url: str) -> Desk:
    """A desk over an empty database, where no worker runs."""
    return Desk(broker_url)


@pytest.fixture(scope="session")
def _programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    running: list[Program] = []
    folder = tmp_path_factory.mktemp("record")

    def start(
        url: str, pool: str, queue: str, *options: str, env: dict[str, str] | None = None, app: str = "jobs_app"
    ) -> Program:
        name = f"{queue}{len(running)}"
        command = ("celery", "-A", f"tests.record.{app}", "worker", "-P", pool, "-c", POOLS[pool], "-Q", queue)
        logs = folder / f"{name}.log"
        program = Program(
            [*command, "-n", f"{name}@test", "-l", "info", *options],
            logs,
            {**SETTINGS, "BROKER_URL": url, **(env or {})},
        )
        running.append(program)
        program.says("ready.")
        return program

    yield start
    for program in reversed(running):
        if program.process.poll() is None:
            program.stop()


@pytest.fixture(scope="session")
def lanes(_programs: Start, record_url: str) -> Lanes:
    """Give the queue of a pool's worker; the queue has the pool's name."""
    started: dict[str, Program] = {}

    def lane(pool: str) -> str:
        if pool not in started:
            started[pool] = _programs(record_url, pool, pool)
        program = started[pool]
        assert program.process.poll() is None, f"the {pool} worker has ended:\n{program.output}"
        return pool

    return lane


@pytest.fixture(params=["prefork", "threads", *(pytest.param(p, marks=pytest.mark.slow) for p in ("gevent", "solo"))])
def lane(request: pytest.FixtureRequest, lanes: Lanes) -> str:
    """The queue of a worker, of each pool in turn."""
    return lanes(str(request.param))


@pytest.fixture
def prefork(lanes: Lanes) -> str:
    return lanes("prefork")


@pytest.fixture
def threads(lanes: Lanes) -> str:
    return lanes("threads")


@pytest.fixture
def start_worker(_programs: Start) -> Iterator[Start]:
    """Start workers for one test: they are stopped at its end."""
    running: list[Program] = []

    def start(url: str, pool: str, queue: str, *options: str, **more: Any) -> Program:
        running.append(_programs(url, pool, queue, *options, **more))
        return running[-1]

    yield start
    for program in running:
        if program.process.poll() is None:
            program.stop()
