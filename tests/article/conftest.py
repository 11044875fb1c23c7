"""The article's system, started once for each file of tests that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from flask import Flask

from backend import create_app
from celeriac.stack.valkey import Valkey
from tests.article.running import ROOT, Program, Web, eventually, free_port

Start = Callable[..., Program]


@pytest.fixture(scope="module")
def module_broker(valkey: Valkey, _numbers: Iterator[int]) -> str:
    """The URL of an empty database for one file of tests."""
    return valkey.url.removesuffix("/0") + f"/{next(_numbers)}"


@pytest.fixture(scope="module")
def start(module_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start programs over the file's database; all are stopped at its end, the last one first."""
    running: list[Program] = []
    folder = tmp_path_factory.mktemp("logs")

    def start(*command: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Program:
        log = folder / f"{len(running)}.log"
        running.append(Program(command, log, {"BROKER_URL": module_broker, **(env or {})}, cwd))
        return running[-1]

    yield start
    for program in reversed(running):
        program.stop()


@pytest.fixture(scope="module")
def app(module_broker: str) -> Flask:
    """The app in this process, over the file's database: for what is not said over HTTP."""
    return create_app(BROKER_URL=module_broker)


@pytest.fixture(scope="module")
def worker(start: Start) -> Program:
    """The article's worker: one, for every queue."""
    program = start("./celery_worker.sh", "-c", "2", "-n", "article@test")
    program.says("article@test ready")
    return program


@pytest.fixture(scope="module")
def web(start: Start) -> Web:
    """The article's web process: `python run.py`."""
    port = free_port()
    program = start("python", "run.py", env={"PORT": str(port)})
    program.says("Running on")
    return _ready(Web(port))


@pytest.fixture(scope="module")
def gunicorn(start: Start) -> Web:
    """The same app under Gunicorn, as `up` runs it."""
    port = free_port()
    start("gunicorn", "run:app", "--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "8",
          "--no-control-socket", env={"CELERIAC_LOCAL": "1"})  # fmt: skip
    return _ready(Web(port))


@pytest.fixture(scope="module")
def lanes(start: Start) -> Sequence[Program]:
    """The two worker lanes of `up`: prefork for ordinary jobs, threads for jobs that mostly wait."""
    celery = ("celery", "-A", "backend", "worker", "--loglevel=info", "-E")
    prefork = start(*celery, "-Q", "celery", "-P", "prefork", "-c", "2", "-n", "default@test")
    threads = start(*celery, "-Q", "io", "-P", "threads", "-c", "16", "-n", "io@test")
    prefork.says("default@test ready")
    threads.says("io@test ready")
    return prefork, threads


@pytest.fixture(scope="module")
def flower(start: Start) -> Web:
    """Flower, as `./flower.sh` starts it."""
    port = free_port()
    start("./flower.sh", env={"FLOWER_PORT": str(port)})
    return _ready(Web(port), "/healthcheck")


def _ready(web: Web, path: str = "/primes/2") -> Web:
    eventually(lambda: web.answers(path), f"an answer on port {web.port}")
    return web
