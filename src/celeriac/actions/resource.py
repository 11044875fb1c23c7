"""What is shown of jobs, queues, workers, dead letters, schedules: the same by HTTP and on the command line. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from celeriac.actions.family import Relative
from celeriac.actions.waiting import Waiting
from celeriac.registry import Registry
from celeriac.store.dead import Letter
from celeriac.store.queues import Queue
from celeriac.store.record import Attempt, Line, Record
from celeriac.store.workers import Worker
from celeriac.watch.event import progress_shown
from celeriac.worker.schedules import Schedule


def job_resource(
    job: Record, jobs: Registry, waiting: Waiting | None = None, *, operator: bool = False
) -> dict[str, Any]:
    """Return a job as JSON takes it; its traceback is for operators."""
    return {
        "id": job.id,
        "task": task_name(job.task, jobs),
        "state": job.state.value,
        "done": job.done,
        "queue": job.queue,
        "arguments": _arguments(job.task, job.args, job.kwargs, jobs),
        "created_at": _time(job.created_at),
        "due_at": _time(job.due),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "attempt": job.attempt,
        "worker": job.worker or None,
        "reason": job.reason or None,
        "progress": progress_resource(job),
        "result": job.result,
        "error": _error(job, operator),
        "waiting": waiting.as_dict() if waiting else None,
        "attempts": [_flat(attempt) for attempt in job.attempts],
        "parent_id": job.parent_id or job.parent or None,
        "root_id": job.root_id or None,
        "group_id": job.group or None,
    }


def relative_resource(relative: Relative, jobs: Registry) -> dict[str, Any]:
    """Return a relative of a job as JSON takes it."""
    job = relative.job
    return {"role": relative.role.value, "id": job.id, "task": task_name(job.task, jobs), "state": job.state.value}


def progress_resource(job: Record) -> dict[str, Any] | None:
    """Return how far a job is: `current`, `total`, `percent` and `message`, what is unknown as None."""
    return None if job.progress is None else progress_shown(job.progress)


def queue_resource(queue: Queue) -> dict[str, Any]:
    """Return a queue as JSON takes it."""
    return _flat(queue) | {"paused": queue.paused}


def worker_resource(worker: Worker) -> dict[str, Any]:
    """Return a worker as JSON takes it."""
    return _flat(worker)


def letter_resource(letter: Letter, jobs: Registry, *, message: bool = False) -> dict[str, Any]:
    """Return a dead letter as JSON takes it; its raw message only when asked for."""
    shown = {
        "id": letter.id,
        "at": _time(letter.at),
        "reason": letter.reason,
        "queue": letter.queue,
        "task": task_name(letter.task, jobs) or None,
        "bytes": len(letter.raw),
    }
    return shown | {"message": letter.raw.decode(errors="replace")} if message else shown


def schedule_resource(schedule: Schedule, jobs: Registry, last: tuple[str, datetime] | None) -> dict[str, Any]:
    """Return what beat submits as JSON takes it; an argument that beat makes when it submits is told by its `repr`.

    `last` is id and time of the last job of it, where that is known.
    """
    timing = {field.name: getattr(schedule.timing, field.name) for field in fields(schedule.timing)}
    arguments = _arguments(schedule.task, schedule.args, schedule.kwargs, jobs)
    return {
        "name": schedule.name,
        "task": task_name(schedule.task, jobs),
        "arguments": json.loads(json.dumps(arguments, default=repr)),
        "words": timing.pop("words"),
        "timing": timing,
        "next_run_at": _time(schedule.next_run_at),
        "last_run_at": _time(last[1]) if last else None,
        "last_job_id": last[0] if last else None,
    }


def line_resource(line: Line) -> dict[str, Any]:
    """Return a line of a job's log as JSON takes it."""
    return _flat(line)


def task_name(celery_name: str, jobs: Registry) -> str:
    """Return the name by which callers know the task; Celery's own where it is no job."""
    spec = jobs.by_celery_name(celery_name)
    return spec.name if spec else celery_name


def _arguments(
    task: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, jobs: Registry
) -> dict[str, Any] | None:
    """Return the arguments by name; those given by position get the names of the signature."""
    if args is None or kwargs is None:
        return None
    if not args:
        return dict(kwargs)
    spec = jobs.by_celery_name(task)
    names = [parameter.name for parameter in spec.parameters] if spec else []
    names += [str(i) for i in range(len(names), len(args))]
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def _error(job: Record, operator: bool) -> dict[str, Any] | None:
    if job.error is None or operator:
        return job.error
    return {name: value for name, value in job.error.items() if name != "traceback"}


def _flat(value: Attempt | Line | Queue | Worker) -> dict[str, Any]:
    return {field.name: _json(getattr(value, field.name)) for field in fields(value)}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time(value)
    return list(value) if isinstance(value, tuple) else value


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
