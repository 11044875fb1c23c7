"""Jobs of long ago, as the history remembers them: written as the copier writes what it rebuilds."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

from flask import Flask

from celeriac.history import copying
from celeriac.history.database import Database, url_of
from celeriac.store.journal import Detail

DAY = 86400.0


def job(
    app: Flask, task: str, ago: float, error: str = "", wait: float = 0.5, **arguments: object
) -> tuple[str, Detail]:
    """Return a job that was submitted so many seconds ago, waited (s) and ran a second."""
    at = int((time.time() - ago) * 1000)
    started = at + int(wait * 1000)
    spec = app.extensions["celeriac"].context.jobs.find(task)
    traceback = f'Traceback (most recent call last):\n  File "shop.py", line 7, in {task}\nValueError: {error}'
    fields = {
        "state": "failed" if error else "succeeded", "task": spec.celery_name, "queue": spec.queue, "owner": "ann",
        "worker": "old@test", "created_at": str(at), "started_at": str(started), "finished_at": str(started + 1000),
        "attempt": "1", "seq": "3", "args": json.dumps([[], arguments]),
        "error": json.dumps({"type": "ValueError", "message": error, "traceback": traceback}) if error else "",
    }  # fmt: skip
    return str(uuid.uuid4()), Detail.of(fields)


def remember(app: Flask, jobs: Iterator[tuple[str, Detail]] | list[tuple[str, Detail]]) -> list[str]:
    """Write the jobs into the history of the app, and return their ids in the order of the list."""
    details = dict(jobs)
    database = Database(url_of(app.extensions["celeriac"].settings))
    try:
        with database.write() as connection:
            copying.store_records(connection, details, int(time.time() * 1000))
    finally:
        database.dispose()
    return list(details)
