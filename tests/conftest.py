"""What every test may ask for: a real Valkey of its own, on a private port, with a fresh database each.

Celery keeps shared tasks and the current app for the whole process. Here each file of tests sees the tasks of those
modules alone that it imports, by itself or through others, and begins without a current app.
"""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import _state
from flask import Flask
from xdist.scheduler import LoadScopeScheduling

from celeriac.actions import Context
from celeriac.stack.valkey import Valkey
from celeriac.worker.embedded import embedded_worker
from tests.hand import Hand
from tests.reach import ROOT, reached

DATABASES = 4096
TOGETHER = ("tests/history", "tests/record", "tests/console")
LONGEST = ("tests/record", "tests/chaos", "tests/history", "tests/console")  # first: nobody waits for them at the end
os.environ["CELERIAC_HISTORY"] = "false"  # tests/history has it on; elsewhere nobody shall write into var/


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the whole session; tests that stop or kill theirs start another."""
    server = Valkey(tmp_path_factory.mktemp("valkey"), config=[f"databases {DATABASES}"]).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.cycle(range(1, DATABASES))


@pytest.fixture
def broker_url(valkey: Valkey, _numbers: Iterator[int]) -> str:
    """The URL of an empty database that no other test uses (pub/sub channels are the server's, not its)."""
    return valkey.url.removesuffix("/0") + f"/{next(_numbers)}"


@pytest.fixture
def celery(app: Flask) -> Any:
    """The Celery app of `app`, which the tests' own folder or file makes."""
    return app.extensions["celery"]


@pytest.fixture
def context(app: Flask) -> Context:
    """What actions need of the app."""
    found: Context = app.extensions["celeriac"].context
    return found


@pytest.fixture
def hand(context: Context) -> Hand:
    """A worker whose every step is the test's."""
    return Hand(context)


@pytest.fixture
def worker(celery: Any) -> Iterator[None]:
    """A worker that does every job of the app."""
    with embedded_worker(celery):
        yield


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Shares files among processes; of a folder whose servers take long to start, all files go to one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in TOGETHER else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders that take longest first; the order within each stays."""
    rank = {folder: place for place, folder in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get("/".join(item.nodeid.split("/")[:2]), len(rank)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Decide which process runs what; pytest-xdist's own `loadgroup` does nothing under pytest 9.2."""
    return ByFile(config, log)


# Hooks, not fixtures: files are imported, and fixtures of the session made, before any fixture of a module.
@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    path = collector.path
    with _alone(path / "conftest.py" if path.is_dir() else path):
        try:
            return (yield)
        finally:
            _forget_apps()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    with _alone(item.path):
        try:
            return (yield)
        finally:
            if nextitem is None or nextitem.path != item.path:
                _forget_apps()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hide the shared tasks of files that this one does not import."""
    ours = reached(path)
    others = {share for share in _state._on_app_finalizers if (home := _home(share)) and home not in ours}
    _state._on_app_finalizers -= others
    try:
        yield
    finally:
        _state._on_app_finalizers |= others


def _forget_apps() -> None:
    """Let no app be the current one, and none hear of the shared tasks that other files bring."""
    _state.default_app = _state._tls.current_app = None
    _state._apps.clear()


def _home(share: Any) -> Path | None:
    """Return the file of this repository, outside the library, in which a shared task stands; else None."""
    fun = inspect.getclosurevars(share).nonlocals.get("fun")
    path = Path(inspect.unwrap(fun).__code__.co_filename) if fun else None
    return path if path and path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "src") else None
