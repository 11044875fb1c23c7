"""A job that Redis has forgotten, as the history remembers it; and what happened to a job, in order. Speaks Flask."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from flask import Response, current_app
from pydantic import BaseModel

from celeriac import history
from celeriac.actions import Context, past
from celeriac.api import present
from celeriac.api.answers import answer
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import ExpiredJob, HistoryDamaged, HistoryUnavailable, UnknownJob
from celeriac.job import State
from celeriac.registry.openapi import Answer, Route
from celeriac.store import since
from celeriac.store.record import Record

table = Table("jobs")

GONE = (UnknownJob, ExpiredJob, HistoryUnavailable, HistoryDamaged)


class Happened(BaseModel):
    """A job came into a state; `attempt` is the run that it was in, where that is known. From a `gap` on nobody knows:
    the reason says until when."""

    at: datetime | None
    state: State | Literal["gap"]
    attempt: int | None
    reason: str | None


class Timeline(BaseModel):
    """Everything that happened to a job, the oldest first."""

    items: list[Happened]


@table.route(
    Route(
        "/api/jobs/{id}/timeline", "GET", "What happened to a job, in order", scope=Scope.READ, by_link=True,
        answers=(Answer(200, "Its states, the oldest first.", Timeline),), errors=GONE,
    )
)  # fmt: skip
def timeline(id: str) -> Response:
    """Answer the job's timeline: as Redis has it, later from the history."""
    app = context()
    _, lives = look_up(app, id)
    news = since.since(app.client, app.space, {id: 0})[id] if lives else None
    if news is not None:
        return answer({"items": [_happened(one.at, one.state, None, one.note) for one in news.trail]})
    told = history.of(current_app).timeline(id)
    return answer({"items": [_happened(one.at, one.state, one.attempt, one.note) for one in told]})


def look_up(app: Context, id: str) -> tuple[Record, bool]:
    """Return the job if it exists for the caller, and whether it lives in Redis.

    Raises UnknownJob, ExpiredJob, HistoryUnavailable: nobody can tell whether it ever was.
    """
    job, lives = past.find(app, history.of(current_app), id)
    if not present.is_seen(job):
        raise present.unknown(id)
    return job, lives


def living(app: Context, id: str, what: str) -> Record:
    """Return the job, for `what` is kept in Redis alone. Raises as `look_up`, and ExpiredJob where that is gone."""
    job, lives = look_up(app, id)
    if not lives:
        raise past.gone(job, what)
    return job


def _happened(at: datetime | None, state: str, attempt: int | None, note: str) -> dict[str, Any]:
    told = at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
    return {"at": told, "state": state, "attempt": attempt, "reason": note or None}
