"""Numbers of all jobs: how many there are, by state and task, and how many came, ended and waited over time.

Speaks Flask and pydantic.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from celeriac.actions.resource import task_name
from celeriac.api.answers import answer
from celeriac.api.chosen import OF_THE_HISTORY, Name, the_history
from celeriac.api.contract import Table
from celeriac.api.figures import Stats
from celeriac.api.parts import context
from celeriac.api.queries import Whole, parameters, query
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest
from celeriac.job import State
from celeriac.registry.openapi import Answer, Route

table = Table("stats")

FRESH = 3.0  # seconds for which jobs are not counted again
#: How long each window is, and its steps (s).
WINDOWS = {"hour": (3600, 60), "day": (86400, 900), "week": (604800, 3600)}
STEPS = (60, 300, 900, 3600, 10800, 86400)
LAST = 4102444800  # the year 2100
POINTS = 200  # about so many are told when nobody says how long a step is
MINUTES = 47 * 3600.0  # seconds for which there are steps shorter than an hour


class StatsWanted(BaseModel):
    """Which numbers: of which time, task or queue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Literal["hour", "day", "week"] = Field(
        "hour", description="How long before `until`, where `since` is not given."
    )
    since: AwareDatetime | None = Field(None, description="From then on (RFC 3339).")
    until: AwareDatetime | None = Field(None, description="Until then; absent: now.")
    step: Annotated[Whole, Field(ge=60, le=2678400)] | None = Field(
        None, description="Seconds of each point, whole minutes for two days, then whole hours; absent: what fits."
    )
    task: Name | None = Field(None, description="Points of this task alone.")
    queue: Name | None = Field(None, description="Points of this queue alone; not beside `task`.")

    def time(self) -> tuple[datetime, datetime, int]:
        """Return since, until, and the seconds of a step."""
        until = self.until or datetime.now(UTC)
        seconds, step = WINDOWS[self.window]
        if not seconds <= until.timestamp() < LAST:
            raise BadRequest("There are no jobs at that time.", "Give another `until`.")
        since = self.since or until - timedelta(seconds=seconds)
        if not 0 <= since.timestamp() < until.timestamp():
            raise BadRequest("`since` does not come before `until`.")
        if self.since is not None:
            old = (datetime.now(UTC) - since).total_seconds() > MINUTES
            steps = [one for one in STEPS if one >= 3600 or not old]
            length = (until - since).total_seconds()
            step = next((one for one in steps if length / one <= POINTS), steps[-1])
        return since, until, self.step or step


@table.route(
    Route(
        "/api/stats", "GET", "Count jobs by state and task, and what came, ended, ran and waited over time",
        description="Times are in seconds; percentiles are within a tenth. A window alone has steps of its own.",
        scope=Scope.OPERATE, parameters=parameters(StatsWanted),
        answers=(Answer(200, "The numbers.", Stats),), errors=(BadRequest, *OF_THE_HISTORY),
    )
)  # fmt: skip
def show() -> Response:
    """Answer the numbers."""
    wanted = query(StatsWanted)
    since, until, step = wanted.time()
    asked, jobs = the_history(), context().jobs
    spec = jobs.get(wanted.task) if wanted.task else None
    points = asked.series(since, until, step, spec.celery_name if spec else wanted.task, wanted.queue)
    states: Counter[str] = Counter(dict.fromkeys(map(str, State), 0))
    tasks: dict[str, Counter[str]] = {}
    for one in asked.counts(FRESH):
        states[one.state] += one.jobs
        tasks.setdefault(task_name(one.task, jobs), Counter())[one.state] += one.jobs
    body: dict[str, Any] = {
        "since": _time(since), "until": _time(until), "step": step, "states": states,
        "tasks": [{"task": name, "states": found} for name, found in sorted(tasks.items())],
        "series": [point.as_dict() for point in points], "history": asked.status().as_dict(),
    }  # fmt: skip
    return answer(body)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
