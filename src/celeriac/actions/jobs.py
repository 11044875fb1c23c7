"""What one may ask of a job: submit, cancel, retry, delete, wait for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from celeriac.actions.context import Context
from celeriac.errors import CeleriacError, Conflict, InvalidArguments
from celeriac.job import State
from celeriac.queue.again import again
from celeriac.queue.message import ANEW_HEADER
from celeriac.store import moves, record, wake
from celeriac.store.connection import reachable
from celeriac.store.queues import revoked

QUEUE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,99}")
FARTHEST = timedelta(days=3660)
PRIORITIES = range(10)


def submit(
    context: Context,
    task: str,
    arguments: Mapping[str, Any],
    *,
    delay: float | None = None,
    run_at: datetime | None = None,
    queue: str | None = None,
    priority: int | None = None,
    id: str | None = None,
    headers: Mapping[str, Any] | None = None,
) -> str:
    """Queue a job of the task with this name and return its id: from now on it is kept.

    `delay` is in seconds, `run_at` aware; `priority` 0 is the most urgent, 9 the least. Raises UnknownTask,
    InvalidArguments (with one entry per field), BrokerUnavailable, QueueFull, TooManyJobs; then nothing was queued.
    """
    spec = context.jobs.find(task)
    bound = spec.bind(arguments)
    wrong = [*_wrong_time(delay, run_at), *_wrong_place(queue, priority)]
    if wrong:
        raise InvalidArguments("The job cannot be queued like this.", wrong)
    return context.send(
        spec.celery_name,
        bound,
        id=id,
        queue=queue,
        priority=priority,
        delay=delay,
        run_at=run_at,
        headers=headers,
    )


def submit_many(
    context: Context,
    task: str,
    items: Iterable[Mapping[str, Any]],
    *,
    delay: float | None = None,
    run_at: datetime | None = None,
    queue: str | None = None,
    priority: int | None = None,
    ids: Sequence[str] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> list[str | CeleriacError]:
    """Queue a job for each item, which is its arguments; return in their place its id, or why it was not queued.

    The rest is as for one, and the same for all. Raises UnknownTask, and InvalidArguments for what is the same for all.
    """
    spec = context.jobs.find(task)
    if wrong := [*_wrong_time(delay, run_at), *_wrong_place(queue, priority)]:
        raise InvalidArguments("The jobs cannot be queued like this.", wrong)
    answers, fit = list[str | CeleriacError](), list[tuple[int, Mapping[str, Any], str]]()
    for i, arguments in enumerate(items):
        try:
            fit.append((i, spec.bind(arguments), ids[i] if ids else ""))
            answers.append("")
        except InvalidArguments as error:
            answers.append(error)
    options = {"delay": delay, "run_at": run_at, "queue": queue, "priority": priority, "headers": headers}
    sent = context.send.many(spec.celery_name, [(kwargs, id) for _, kwargs, id in fit], **options)
    for (i, _, _), answer in zip(fit, sent, strict=True):
        answers[i] = answer
    return answers


def cancel(context: Context, id: str, reason: str = "cancelled") -> State:
    """Ask a job to stop; return `cancelling` (it runs, and was told) or `cancelled` (it never starts).

    A second time changes nothing. Raises UnknownJob, ExpiredJob, Conflict when it ended otherwise.
    """
    with reachable():
        state = moves.cancel(context.client, context.space, id, reason, revoked(id, reason))
    if not state:
        record.exists(context.client, context.space, id)
    if state.startswith("!"):
        raise Conflict(f"Job {id} has {state[1:]} already.", "What has ended cannot be cancelled.")
    return State(state or State.CANCELLED)


def retry(context: Context, id: str, arguments: Mapping[str, Any] | None = None) -> None:
    """Run a job that ended once more, under its id and with its history; `arguments` replace the old ones.

    Raises UnknownJob, ExpiredJob, Conflict when it has not ended or cannot be repeated, InvalidArguments.
    """
    job = _ended(context, id)
    edited = None if arguments is None else bind(context, job, arguments)
    if edited is not None:
        context.claim(job.task, id, edited)
    if edited is None and record.revive(context.client, context.space, id, "retried"):
        return None
    kept = record.kept_message(context.client, context.space, id)
    message = again(*kept, "retried", edited) if kept else None
    if message is not None:
        return record.resubmit(context.client, context.space, id, message)
    job = _ended(context, id)  # its message may be gone because somebody else was first
    if not job.submitted:
        raise Conflict(f"Job {id} was never submitted: it follows job {job.parent}.", "Retry that one.")
    args, kwargs = ([], edited) if edited is not None else (job.args, job.kwargs)
    if args is None or kwargs is None:
        raise Conflict(f"The arguments of job {id} were too large to keep.", "Give them again.")
    context.send(job.task, kwargs, args=tuple(args), id=id, queue=job.queue or None, headers={ANEW_HEADER: True})


def _ended(context: Context, id: str) -> record.Record:
    job = record.read(context.client, context.space, id)
    if not job.done:
        raise Conflict(f"Job {id} is {job.state}: it has not ended.", "Cancel it, or wait for its end.")
    return job


def delete(context: Context, id: str) -> None:
    """Forget a job that ended. Raises UnknownJob, ExpiredJob, Conflict when it has not ended."""
    record.delete(context.client, context.space, id)


def wait(
    context: Context, id: str, seconds: float | None, tell: Callable[[record.Record], None] | None = None
) -> record.Record:
    """Return the job when it has ended, or as it is when the time is over; `tell` hears of it meanwhile."""
    with closing(wake.news(context.client, context.space, id, seconds)) as news:
        for _ in news:
            job = record.read(context.client, context.space, id)
            if job.done:
                break
            if tell is not None:
                tell(job)
    return job


def bind(context: Context, job: record.Record, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return other arguments for a job, checked. Raises InvalidArguments, Conflict where nobody can check them."""
    spec = context.jobs.by_celery_name(job.task)
    if spec is None:
        raise Conflict(f"{job.task} is no @job: its arguments cannot be checked.", "Retry it as it was.")
    return spec.bind(arguments)


def _wrong_time(delay: float | None, run_at: datetime | None) -> list[dict[str, str]]:
    if delay is not None and run_at is not None:
        return [{"pointer": "/run_at", "detail": "cannot be given together with delay."}]
    if delay is not None and not (math.isfinite(delay) and 0 <= delay <= FARTHEST.total_seconds()):
        return [{"pointer": "/delay", "detail": "should be seconds from 0 to ten years."}]
    if run_at is not None and run_at.tzinfo is None:
        return [{"pointer": "/run_at", "detail": "should have a time zone."}]
    if run_at is not None and run_at - datetime.now(run_at.tzinfo) > FARTHEST:
        return [{"pointer": "/run_at", "detail": "should be within ten years."}]
    return []


def _wrong_place(queue: str | None, priority: int | None) -> list[dict[str, str]]:
    wrong = []
    if queue is not None and not QUEUE_NAME.fullmatch(queue):
        wrong.append({"pointer": "/queue", "detail": "should be letters, digits and _ . : @ -, at most 100."})
    if priority is not None and priority not in PRIORITIES:
        wrong.append({"pointer": "/priority", "detail": "should be from 0 (most urgent) to 9."})
    return wrong
