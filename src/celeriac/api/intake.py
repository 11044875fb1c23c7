"""Takes jobs in: validated first, queued once, answered without asking again. Speaks Flask.

After the job is queued nothing may fail any more: a 503 would say that it was not. So the answer is made from what is
known, without another look at Redis.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, current_app

from celeriac import actions
from celeriac.actions import Context
from celeriac.actions.waiting import Reason, Waiting
from celeriac.api import present, shapes, wait
from celeriac.api.answers import answer
from celeriac.api.bodies import idempotency_key
from celeriac.api.door import caller, visit
from celeriac.api.once import Told, once
from celeriac.api.parts import parts
from celeriac.errors import (
    BrokerUnavailable,
    ConfigError,
    Conflict,
    ExpiredJob,
    InvalidArguments,
    KeyInFlight,
    KeyReused,
    QueueFull,
    TooManyJobs,
    UnknownJob,
)
from celeriac.job import State
from celeriac.queue.message import ONCE_HEADER
from celeriac.registry.openapi import Answer, Parameter
from celeriac.registry.value import JSON
from celeriac.store.known import is_known
from celeriac.store.record import Record
from celeriac.worker import reach, webhook

HELD = (KeyInFlight, KeyReused, QueueFull, TooManyJobs)
KEY: dict[str, JSON] = {"type": "string", "pattern": "^[!-~]{1,255}$"}
SUBMITTING = (
    Parameter("Idempotency-Key", "header", "Equal requests with this key make one job; kept for a day.", KEY),
    Parameter("Prefer", "header", "`wait=N`: answer when the job has ended, after N seconds (60) at most."),
)
SUBMITTED = (
    Answer(202, "It is kept, and runs.", shapes.Job, headers=("Location", "Retry-After", "Preference-Applied")),
    Answer(200, "It has ended within the time that the caller preferred to wait.", shapes.Job,
           headers=("Location", "Preference-Applied")),
)  # fmt: skip


@dataclass(slots=True)
class Wanted:
    """A job to be queued, as `shapes.Submission` has it."""

    task: str
    arguments: dict[str, Any]
    delay: float | None = None
    run_at: datetime | None = None
    queue: str | None = None
    priority: int | None = None
    callback_url: str | None = None


def submit(app: Context, payload: dict[str, JSON], given: Wanted) -> Response:
    """Queue a job and answer 202, or 200 when the caller waited for its end. Raises before anything is queued."""
    if given.callback_url is not None:
        _check_callback(given.callback_url)
    told = once(payload, lambda id, again: _queue(app, id, again, given))
    id = str(told.body["id"])
    try:
        ended, applied = wait.for_end(id)
    except BrokerUnavailable:  # it was accepted; that nobody can look at it now changes nothing
        ended, applied = None, {}
    if ended is not None and ended.done:
        return answer(present.show(app, ended), 200, {"Location": present.address(id), **applied})
    return answer(told.body, told.status, {**told.headers, **applied})


def _queue(app: Context, id: str, again: bool, given: Wanted) -> Told:
    if not (again and is_known(app.client, app.space.prefix, id)):
        submitted = actions.submit(
            app,
            given.task,
            given.arguments,
            delay=given.delay,
            run_at=given.run_at,
            queue=given.queue,
            priority=given.priority,
            id=id,
            headers=_headers(given) or None,
        )
        if submitted != id:  # a job that is unique: an equal one was there already
            return _equal_one(app, submitted, given)
    job = _fresh(app, id, given)
    if job.state is State.SCHEDULED:
        reason = Waiting(Reason.SCHEDULED, "It is scheduled for later.", job.queue, until=job.due)
    else:
        reason = Waiting(Reason.QUEUED, "It was queued just now.", job.queue)
    body = present.shown(app, job, reason)
    return Told(202, body, {"Location": body["links"]["self"], "Retry-After": "1"})


def _headers(given: Wanted) -> dict[str, Any]:
    once_only: dict[str, Any] = {ONCE_HEADER: True} if idempotency_key() else {}
    return once_only | ({webhook.CALLBACK_HEADER: given.callback_url} if given.callback_url else {})


def _check_callback(url: str) -> None:
    """Raise InvalidArguments for an address that would not be called, Conflict where no call could be signed."""
    try:
        webhook.check(parts().settings, current_app.config, url)
    except reach.ForbiddenAddress as error:
        wrong = [{"pointer": "/callback_url", "detail": error.message}]
        raise InvalidArguments("The job cannot be queued like this.", wrong, error.hint) from error
    except ConfigError as error:
        raise Conflict(error.message, error.hint) from error


def _equal_one(app: Context, id: str, given: Wanted) -> Told:
    try:
        body = present.show(app, present.find(app, id))
    except (BrokerUnavailable, UnknownJob, ExpiredJob):
        body = present.shown(app, _fresh(app, id, given), None)
    return Told(202, body, {"Location": present.address(id), "Retry-After": "1"})


def _fresh(app: Context, id: str, given: Wanted) -> Record:
    """Return the record of a job that was queued this moment."""
    spec, now = app.jobs.find(given.task), datetime.now(UTC)
    due = given.run_at or (now + timedelta(seconds=given.delay) if given.delay else None)
    state = State.SCHEDULED if due and due > now else State.QUEUED
    args: list[JSON] = []
    extra = {"owner": caller().owner, "request_id": visit().request_id}
    return Record(
        id=id, state=state, task=spec.celery_name, queue=given.queue or spec.queue, seq=1, attempt=0, retries=0,
        losses=0, fence=0, created_at=now, due=due, started_at=None, finished_at=None, worker="", reason="", cancel="",
        pos=None, args=args, kwargs=given.arguments, progress=None, progress_seq=0, result=None, error=None,
        attempts=(), dropped_lines=0, parent="", parent_id="", root_id="", group="", submitted=True, extra=extra,
    )  # fmt: skip
