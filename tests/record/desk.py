"""Where the tests of the record stand: they submit, look at the record and at Celery's result, and wait for events."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import redis
from celery.result import AsyncResult
from flask import Flask

import tests.record.endings
import tests.record.foreign
import tests.record.jobs  # noqa: F401  # every app that is made in this process has its jobs
from celeriac import Celeriac, actions
from celeriac.job import TERMINAL, State
from celeriac.store import moves, record
from celeriac.store.clients import milliseconds
from celeriac.store.scripts import script
from celeriac.worker.process import space_of

T = TypeVar("T")
DEADLINE = 60.0
MOVES = [Path(str(path)) for path in resources.files("celeriac.store").joinpath("moves").iterdir()]
TASKS = ("tests.record.jobs.", "tests.record.endings.")


def eventually(ask: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """Return the first true answer; fail with `what` when there is none in time."""
    until = time.monotonic() + deadline
    while not (answer := ask()):
        assert time.monotonic() < until, f"It did not happen in {deadline:.0f} s: {what}"
        time.sleep(0.02)
    return answer


class Desk:
    """One app and its Redis, seen from outside its workers."""

    def __init__(self, url: str) -> None:
        app = Flask("desk")
        app.config["BROKER_URL"] = url
        Celeriac(app)
        self.celery = app.extensions["celery"]
        self.context = app.extensions["celeriac"].context
        self.url = url
        self.client = redis.Redis.from_url(url)
        self.space = space_of(self.celery)

    def task(self, name: str) -> Any:
        """Return a task by its function's name."""
        return next(self.celery.tasks[home + name] for home in TASKS if home + name in self.celery.tasks)

    def send(self, name: str, /, *, queue: str = "celery", options: dict[str, Any] | None = None, **given: Any) -> Any:
        """Submit a job; return its AsyncResult."""
        name = name if "." in name else self.task(name).name
        return self.celery.send_task(name, kwargs=given, queue=queue, **(options or {}))

    def read(self, id: str) -> record.Record:
        return record.read(self.client, self.space, id)

    def state(self, id: str) -> State | None:
        found = record.read_many(self.client, self.space, [id])[0]
        return found and found.state

    def reaches(self, id: str, *states: str) -> record.Record:
        """Wait until the job is in one of these states (any final one by default)."""
        wanted = set(states) or TERMINAL
        eventually(lambda: self.state(id) in wanted, f"{sorted(wanted)} of {id}, which is {self.state(id)}")
        return self.read(id)

    def lines(self, id: str) -> list[record.Line]:
        return record.log(self.client, self.space, id)

    def cancel(self, id: str, reason: str = "by hand") -> str:
        return moves.cancel(self.client, self.space, id, reason, revoked_meta(id, reason))

    def retry(self, id: str) -> None:
        """Run a job that has ended once more."""
        actions.retry(self.context, id)

    def now(self) -> int:
        """Return the server's clock (ms)."""
        return milliseconds(self.client)

    def counter(self, name: str) -> int:
        return int(self.client.hget(f"{self.space.keys}stats", name) or 0)

    def result(self, id: str) -> AsyncResult[Any]:
        return AsyncResult(id, app=self.celery)

    def meta(self, id: str) -> dict[str, Any]:
        """Return Celery's result as it lies in Redis, {} when there is none."""
        found: dict[str, Any] = json.loads(self.client.get(f"celery-task-meta-{id}") or "{}")
        return found

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count the round trips of all clients: moves by their name, what is no move by its command.

        What a worker writes in one pipeline (starts, reports, ends) is one, named by its last move.
        """
        names = {script(path.stem).sha: path.stem for path in MOVES if path.stem != "lib"}
        seen: Counter[str] = Counter()

        def listen(monitor: Any) -> None:
            last = ("", "")
            for said in monitor.listen():
                word, *args = said["command"].split(" ")
                if (word, *args) == ("ECHO", "enough"):
                    return
                if said["client_type"] == "lua":
                    continue
                name = names.get(args[0], word) if word.lower() == "evalsha" else word
                client = f"{said['client_address']}:{said['client_port']}"
                if last in ((client, "start"), (client, "report")) and name in ("report", "finish"):
                    seen[last[1]] -= 1
                seen[name] += 1
                last = client, name

        with self.client.monitor() as monitor:
            thread = threading.Thread(target=listen, args=(monitor,))
            thread.start()
            yield seen
            self.client.echo("enough")
            thread.join(DEADLINE)

    def in_flight(self) -> list[str]:
        return [token.decode() for token in self.client.zrange(f"{self.space.keys}inflight", 0, -1)]


def revoked_meta(id: str, reason: str) -> str:
    """Return Celery's result of a job that was revoked."""
    error = {"exc_type": "TaskRevokedError", "exc_message": [reason], "exc_module": "celery.exceptions"}
    return json.dumps({"status": "REVOKED", "result": error, "traceback": None, "children": [], "task_id": id})


def agrees(desk: Desk, id: str) -> None:
    """Check that Celery's result says what the record says."""
    found, meta = desk.read(id), desk.meta(id)
    assert meta.get("status", "PENDING") == found.celery_state, (found, meta)
