"""What runs inside a job: `track`, `progress` and `current_job`. Speaks Celery; does nothing outside.

1. A job calls them; nobody else knows them.
2. They promise at most ten reports a second of a job and 250 of a process, always the first and the last, and that a
   job which was cancelled or is over its time stops here where its pool cannot stop it by force.
3. They call `Task.update_state`, with the state PROGRESS and `{"current", "total", "status"}`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from celery import current_app
from celery.app.task import Task
from celery.worker import state as worker_state

from celeriac.errors import CeleriacError, JobCancelled
from celeriac.worker import capture
from celeriac.worker.limits import current_limits
from celeriac.worker.running import INTERVAL

T = TypeVar("T")

PROGRESS = "PROGRESS"


class CurrentJob:
    """The job that runs here; false outside one."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return running_task() is not None

    @property
    def id(self) -> str:
        """The job's id."""
        return str(_required().request.id)

    @property
    def task(self) -> str:
        """The task's name."""
        return str(_required().name)

    @property
    def attempt(self) -> int:
        """Which run of the job this is, from 1."""
        return int(_required().request.retries or 0) + 1

    @property
    def idempotency_key(self) -> str:
        """What names this job's effect for a service that takes an `Idempotency-Key`.

        The same in every attempt, after a lost worker too; another one once the job's arguments were edited.
        """
        request = _required().request
        words = json.dumps([request.args, request.kwargs], sort_keys=True)
        return f"{request.id}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"

    def check(self) -> None:
        """Raise JobCancelled when the job was cancelled, Celery's limit errors when it is over its time."""
        task = running_task()
        if task is None:
            return
        running = capture.current.get()
        if running is not None and running.stop:
            raise JobCancelled(f"Job {task.request.id} must stop: {running.stop}.")
        if running is None and task.request.id in worker_state.revoked:
            raise JobCancelled(f"Job {task.request.id} was cancelled.")
        limits = current_limits.get()
        if limits is not None:
            limits.check()

    def __repr__(self) -> str:
        return f"<current_job {self.id}>" if self else "<current_job: none>"


current_job = CurrentJob()


def progress(current: float, total: float | None = None, message: str | None = None) -> None:
    """Report how far the job is; `message` replaces the words "3 of 10". Stops a cancelled job."""
    _report(current, total, message, must=total is not None and current >= total)


def track(items: Iterable[T], total: int | None = None, message: str | None = None) -> Iterator[T]:
    """Yield the items, reporting how many are done. Stops a cancelled job between two items."""
    size = _size(items) if total is None else total
    done = 0
    _report(done, size, message, must=True)
    for item in items:
        yield item
        done += 1
        _report(done, size, message, must=done == size)
    if done != size:
        _report(done, size, message, must=True)


def running_task() -> Task[Any, Any] | None:
    """Return the task that a worker runs in this thread, with its request, or None."""
    return current_app.current_worker_task


def _required() -> Task[Any, Any]:
    task = running_task()
    if task is None:
        raise CeleriacError("There is no current job here.", "current_job has values only while a job runs.")
    return task


def _report(current: float, total: float | None, message: str | None, *, must: bool) -> None:
    running, now = capture.current.get(), time.monotonic()
    if running is not None and not (must or running.stop) and now - running.reported < running.interval.seconds:
        if (limits := current_limits.get()) is not None:
            limits.check()
        return
    task = running_task()
    if task is None or task.request.is_eager:
        return
    current_job.check()
    request = task.request
    if running is not None:
        running.reported = now
    elif not must and now - getattr(request, "celeriac_reported", 0.0) < INTERVAL:
        return
    request.update(celeriac_reported=now)
    words = f"{current} of {total}" if total is not None else f"{current}"
    task.update_state(state=PROGRESS, meta={"current": current, "total": total, "status": message or words})


def _size(items: Iterable[Any]) -> int | None:
    try:
        return len(items)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return None
