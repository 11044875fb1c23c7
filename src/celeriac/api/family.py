"""The jobs that belong to one. Speaks Flask."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel

from celeriac import actions
from celeriac.actions.family import Role
from celeriac.actions.resource import relative_resource
from celeriac.api import present
from celeriac.api.answers import answer
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import ExpiredJob, UnknownJob
from celeriac.job import State
from celeriac.registry.openapi import Answer, Route

table = Table("jobs")


class Relative(BaseModel):
    """A job that belongs to another one; `role` is what it is to that one."""

    role: Role
    id: str
    task: str
    state: State


class Family(BaseModel):
    """The jobs that belong to one, each once."""

    items: list[Relative]


@table.route(
    Route(
        "/api/jobs/{id}/family", "GET", "List the jobs of its chain, group or chord, what submitted it, its children",
        description="Those that are still known, and that the caller may see; the first thousand of a parent or group.",
        scope=Scope.READ, answers=(Answer(200, "Its relatives.", Family),), errors=(UnknownJob, ExpiredJob),
    )
)  # fmt: skip
def family(id: str) -> Response:
    """Answer the job's relatives."""
    app = context()
    found = [one for one in actions.family(app, present.find(app, id)) if present.is_seen(one.job)]
    return answer({"items": [relative_resource(one, app.jobs) for one in found]})
