"""A second app, run by the tests' worker: one job for each promise of `@job`, `track` and `current_job`."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

from celery import shared_task
from flask import Flask, current_app, g

from celeriac import Celeriac, cached, current_job, job, progress, track

flask_app = Flask("jobs_app")
Celeriac(flask_app)  # not `app`: `celery -A` would take that for the Celery app
celery = flask_app.extensions["celery"]


@job
def where() -> dict[str, Any]:
    """Which app a job runs in, and whether its context is fresh."""
    fresh = not hasattr(g, "seen")
    g.seen = True
    return {"app": current_app.name, "fresh": fresh}


@job
def typed(day: date, times: int = 1) -> list[str]:
    """Takes a date, which travels as text."""
    return [day.isoformat() for _ in range(times)]


@job(bind=True)
def quick(self: Any, steps: int) -> dict[str, Any]:
    """Report as fast as it can; return what was really sent and how long it took."""
    sent: list[float] = []
    self.update_state = lambda state, meta: sent.append(meta["current"])
    started = time.monotonic()
    for _ in track(range(steps)):
        pass
    return {"sent": sent, "seconds": time.monotonic() - started}


@job
def in_words(total: int) -> int:
    """Report by hand, then wait to be seen."""
    progress(1, total, "Painting the fence")
    while not current_app.config["BOUNDLESS"]:
        current_job.check()
        time.sleep(0.05)
    return total


flask_app.config["BOUNDLESS"] = False


@job(autoretry_for=(ValueError,), max_retries=2, retry_backoff=False, default_retry_delay=0)
def stubborn(ledger: str) -> None:
    """Fail each time, after writing the attempt down."""
    with Path(ledger).open("a") as out:
        print(current_job.attempt, file=out)
    raise ValueError("still wrong")


@job
def about() -> dict[str, Any]:
    """What a job knows of itself."""
    return {
        "id": current_job.id,
        "task": current_job.task,
        "attempt": current_job.attempt,
        "running": bool(current_job),
    }


@job(queue="mail")
def letter() -> str:
    """Travels by a queue that only its decorator names."""
    return "delivered"


@shared_task
def plain(x: int) -> int:
    """Celery's own kind of task."""
    return x * 2


@job
def reckon(x: int) -> str:
    """Ask the cache from inside a job."""
    return made(x)


@cached(60)
def made(x: int) -> str:
    """Say when it was made, so that a second making would show."""
    return f"{x} at {time.monotonic_ns()}"
