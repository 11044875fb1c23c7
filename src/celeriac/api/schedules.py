"""What Celery beat submits by itself. Speaks Flask and pydantic."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, current_app
from pydantic import BaseModel, Field

from celeriac import history
from celeriac.actions import past
from celeriac.actions.resource import schedule_resource
from celeriac.api import present
from celeriac.api.answers import answer
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.registry.openapi import Answer, Route
from celeriac.worker.schedules import Kind, schedules

table = Table("schedules")


class Timing(BaseModel):
    """When it is due, for programs; what does not belong to its kind is null."""

    kind: Kind
    seconds: float | None = Field(description="Of an interval.")
    expression: str | None = Field(
        description="Of a crontab: minute, hour, day of month, month, day of week (0 is Sunday)."
    )
    timezone: str | None = Field(description="Of a crontab.")
    event: str | None = Field(description="Of the sun.")
    latitude: float | None
    longitude: float | None


class Schedule(BaseModel):
    """What beat submits by itself."""

    name: str
    task: str
    arguments: dict[str, Any]
    words: str = Field(description="When it is due, for people.")
    timing: Timing
    next_run_at: datetime | None = Field(
        description="By the clock, if a beat runs; null for an interval: when it counts from, beat alone knows."
    )
    last_run_at: datetime | None = Field(
        description="When the last job of it was submitted, as far as the history knows: by a beat of this app."
    )
    last_job_id: str | None


class Schedules(BaseModel):
    """Everything that the app tells beat to submit."""

    items: list[Schedule]


@table.route(
    Route(
        "/api/schedules", "GET", "List what Celery beat submits by itself", scope=Scope.OPERATE,
        description="As the app's `beat_schedule` says, and the last job of each as the history knows it. Whether a "
        "beat runs at this moment is not known here.",
        answers=(Answer(200, "Every schedule, by name.", Schedules),),
    )
)  # fmt: skip
def index() -> Response:
    """Answer every schedule."""
    jobs, kept = context().jobs, history.of(current_app)
    told = schedules(current_app.extensions["celery"])
    found = [schedule_resource(one, jobs, past.last_run(kept, one)) for one in told]
    return answer({"items": [one | {"arguments": present.redact(one["arguments"])} for one in found]})
