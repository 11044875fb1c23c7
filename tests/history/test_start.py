"""Where the copying runs: beside a worker's jobs and a web process's requests, on a thread that disturbs neither."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac import history
from celeriac.errors import HistoryError
from tests.article.running import ROOT, Program, eventually, free_port
from tests.history.conftest import House


def test_a_process_begins_once_and_ends_when_told(house: House) -> None:
    copier = history.start(house.app)

    assert copier is not None
    assert history.start(house.app) is copier
    id = house.submit()
    eventually(lambda: _state(house, id) == "queued", "the job in the history")
    copier.stop()
    assert not copier.running
    assert not house.client.exists(f"{house.space.keys}hold:history")


def test_without_a_history_nothing_begins(make_house: Callable[..., House]) -> None:
    assert history.start(make_house(CELERIAC_HISTORY=False).app) is None


def test_a_forked_child_copies_by_itself(house: House) -> None:
    parent = history.start(house.app)
    eventually(lambda: house.client.hget(f"{house.space.keys}history", "at"), "a copier at work")
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        child = history.start(house.app)
        os.write(tell, b"1" if child is not None and child is not parent and child.pid == os.getpid() else b"0")
        os._exit(0)
    os.waitpid(pid, 0)

    assert os.read(told, 1) == b"1"
    assert parent is not None
    parent.stop()


CURRENT = """
import sys
from celeriac.history import house, migrate
from celeriac.history.database import Database
from sqlalchemy import make_url
migrate.require(Database(make_url(sys.argv[1])), "")
print(*(name for name in ("alembic", "mako", "sqlalchemy.dialects.postgresql") if name in sys.modules))
"""


def test_who_finds_the_tables_as_they_should_be_loads_nothing_that_makes_tables(tmp_path: Path) -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", CURRENT, f"sqlite:///{tmp_path}/history.db"],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip

    assert "alembic" in said[0]
    assert said[1] == []


GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, time, gevent
from flask import Flask
from celeriac import Celeriac, history
app = Flask("greens")
app.config.update(BROKER_URL=sys.argv[1], DATABASE_URL=sys.argv[2], CELERIAC_HISTORY=True)
Celeriac(app)
copier = history.start(app)
worst, last = 0.0, time.monotonic()
print("ready", flush=True)
sys.stdin.fileno()
until = time.monotonic() + 2.5
while time.monotonic() < until:
    gevent.sleep(0.01)
    now = time.monotonic()
    worst, last = max(worst, now - last), now
print("held", copier._holds_until > 0, "worst", worst < 1.5, flush=True)
copier.stop()
"""


@pytest.mark.slow
def test_under_gevent_no_greenlet_waits_for_sql(
    broker_url: str, tmp_path: Path, make_house_at: Callable[..., House]
) -> None:
    path = tmp_path / "history.db"
    house = make_house_at(f"sqlite:///{path}")
    house.copy()
    house.copier._let_go()
    command = [sys.executable, "-c", GEVENT, broker_url, f"sqlite:///{path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    eventually(lambda: house.client.exists(f"{house.space.keys}hold:history"), "a copier at work")
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")  # whoever writes now waits for five seconds
    house.submit()
    told = process.stdout.read()
    lock.execute("ROLLBACK")
    process.wait(30)

    assert told == "held True worst True\n"


@pytest.mark.slow
def test_a_worker_copies_what_it_does(broker_url: str, database_url: str, tmp_path: Path) -> None:
    house_app = {"BROKER_URL": broker_url, "DATABASE_URL": database_url, "CELERIAC_HISTORY": "true"}
    worker = Program(["./celery_worker.sh", "-c", "1", "-n", "kept@test"], tmp_path / "worker.log", house_app)
    web_port = free_port()
    web = Program(["python", "run.py"], tmp_path / "web.log", {**house_app, "PORT": str(web_port)})
    try:
        worker.says("ready")
        from backend import create_app

        app = create_app(**{**house_app, "CELERIAC_HISTORY": True})
        id = app.extensions["celery"].send_task("backend.tasks.add", kwargs={"x": 2, "y": 3}).id
        asked = history.of(app)

        def done() -> bool:
            try:
                found = asked.find(id)
            except HistoryError:
                return False
            return found is not None and found.done

        eventually(done, "the job's end in the history")
        found = asked.find(id)
        assert found is not None
        assert (found.state, found.result, found.worker) == ("succeeded", 5, "kept@test")
        assert asked.status().well
        asked.close()
    finally:
        web.stop()
        worker.stop()


def _state(house: House, id: str) -> str | None:
    try:
        return house.state(id)
    except HistoryError:
        return None
