"""Why a job does not run yet, said so that a person can act on it and a program can tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from celeriac.actions.context import Context
from celeriac.errors import ExpiredJob, UnknownJob
from celeriac.job import ACTIVE, TERMINAL, State
from celeriac.store import queues, record
from celeriac.store.record import Record


class Reason(StrEnum):
    """Why a job that has not ended does not run, or is about to stop."""

    QUEUED = "queued"
    STARTING = "starting"
    PAUSED = "paused"
    NO_WORKER = "no_worker"
    SCHEDULED = "scheduled"
    RETRY = "retry"
    PARENT = "parent"
    WORKER_LOST = "worker_lost"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a job waits. `position` and `length` count the queue's ready messages, `consumers` are worker names;
    `estimate` is seconds until it starts, at the queue's pace of the last minute or two: a guess, for people;
    `retry` is the next retry's number, `retries` how many there may be; absent is what does not apply."""

    reason: Reason
    sentence: str
    queue: str | None = None
    position: int | None = None
    ahead: int | None = None
    length: int | None = None
    estimate: float | None = None
    consumers: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    retry: int | None = None
    retries: int | None = None
    parent: str | None = None
    parent_state: State | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what applies, as JSON takes it."""
        return {name: _plain(value) for name in self.__slots__ if (value := getattr(self, name)) is not None}


def waiting(context: Context, job: Record) -> Waiting | None:
    """Return why the job waits; None when it runs or has ended. Raises BrokerUnavailable."""
    if job.state in TERMINAL:
        return None
    if job.state in ACTIVE:
        return _active(context.space.lease, job)
    if not job.submitted and job.parent:
        return _follower(context, job)
    if job.state in (State.SCHEDULED, State.RETRYING) and job.due and job.due > datetime.now(UTC):
        return _later(context, job, job.due)
    return _ready(context, job)


def _active(lease: float, job: Record) -> Waiting | None:
    left = job.lease_left
    if left is not None and left < lease / 2:
        again = datetime.now(UTC) + timedelta(seconds=max(0.0, left))
        silent = f"Its worker {job.worker or 'that has it'} has not been heard for {lease - left:.0f} s"
        sentence = f"{silent}; if that lasts, the job runs again from {_time(again)} on."
        return Waiting(Reason.WORKER_LOST, sentence, job.queue, until=again)
    if job.state is State.CANCELLING:
        return Waiting(Reason.CANCELLING, "It was asked to stop, and does so at its next step.", job.queue)
    return None


def _follower(context: Context, job: Record) -> Waiting:
    try:
        state = record.read(context.client, context.space, job.parent).state
    except (UnknownJob, ExpiredJob):
        state = None
    sentence = f"It runs after job {job.parent} has succeeded."
    if state in TERMINAL and state is not State.SUCCEEDED:
        sentence = f"It does not run: job {job.parent}, which it follows, has {state}."
    return Waiting(Reason.PARENT, sentence, parent=job.parent, parent_state=state)


def _later(context: Context, job: Record, due: datetime) -> Waiting:
    if job.state is State.SCHEDULED:
        return Waiting(Reason.SCHEDULED, f"It is scheduled for {_time(due)}.", job.queue, until=due)
    limit = context.max_retries(job.task)
    of = f" of {limit}" if limit else ""
    sentence = f"Retry {job.retries}{of} is due at {_time(due)}."
    return Waiting(Reason.RETRY, sentence, job.queue, until=due, retry=job.retries, retries=limit)


def _ready(context: Context, job: Record) -> Waiting:
    """A job whose time has come: what is between it and a worker?"""
    if job.state is State.QUEUED and job.lease_left is not None:
        return Waiting(Reason.STARTING, "A worker has it and is about to start it.", job.queue)
    pos = job.pos if job.state is State.QUEUED else None
    now = queues.standing(context.client, context.space, job.queue, pos)
    ahead = None if now.position is None else now.position - 1
    found = Waiting(
        Reason.QUEUED, "", job.queue, now.position, ahead, now.length, None, now.consumers, now.paused_since
    )
    if now.paused_since:
        sentence = f"Queue {job.queue} is paused since {_time(now.paused_since)}."
        return replace(found, reason=Reason.PAUSED, sentence=sentence)
    if not now.consumers:
        sentence = f"Nobody is listening on queue {job.queue}: start a worker with `-Q {job.queue}`."
        return replace(found, reason=Reason.NO_WORKER, sentence=sentence)
    listen = "consumes" if len(now.consumers) == 1 else "consume"
    place = f"{_ahead(ahead)} on queue {job.queue}, which {_and(now.consumers)} {listen}"
    if now.position and now.pace:
        found = replace(found, estimate=round(now.position / now.pace, 1))
        place += f"; at its present pace it starts in about {_span(now.position / now.pace)}"
    place += "."
    if job.losses and job.reason == "worker lost":
        lost = f"Its worker was lost ({job.losses} of {context.space.max_losses} times), so it runs again: "
        return replace(found, reason=Reason.WORKER_LOST, sentence=lost + place)
    return replace(found, sentence=place[:1].upper() + place[1:])


def _ahead(ahead: int | None) -> str:
    if ahead is None:
        return "it waits for a free slot"
    if ahead == 0:
        return "it is next"
    return "1 job is before it" if ahead == 1 else f"{ahead} jobs are before it"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _and(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value
