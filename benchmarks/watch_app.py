"""The app that is watched: its jobs say when they said what. Gunicorn and Celery run `benchmarks.watch_app`."""

from __future__ import annotations

import os
import random
import time

from flask import Flask

from celeriac import Celeriac, current_job, job, progress


@job(name="tick", queue="io")
def tick(every: float, seconds: float, silent: bool = False) -> int:
    """Report progress so often, with the time of the report, each job at its own moment; or only come to that point."""
    time.sleep(random.uniform(0.0, every))
    until, n = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        n += 1
        if not silent:
            progress(n, message=repr(time.time()))
        elif n % 10 == 0:
            current_job.check()
        time.sleep(every)
    return n


@job(name="plus")
def plus(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


flask_app = Flask("watched")
flask_app.config.from_mapping(BROKER_URL=os.environ.get("BROKER_URL", ""), CELERIAC_HISTORY=False)
Celeriac(flask_app)
celery = flask_app.extensions["celery"]
