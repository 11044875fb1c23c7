"""Tasks: what may be run, and running it. Speaks Flask."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import BaseModel

from celeriac.api import shapes
from celeriac.api.answers import tagged
from celeriac.api.bodies import json_object
from celeriac.api.contract import Table
from celeriac.api.intake import HELD, SUBMITTED, SUBMITTING, Wanted, submit
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import UnknownTask
from celeriac.registry import TaskSpec
from celeriac.registry.openapi import Answer, Route

table = Table("tasks")


@table.route(
    Route(
        "/api/tasks", "GET", "List the tasks that can be run", scope=Scope.READ,
        answers=(Answer(200, "Every task, with the schema of its arguments.", shapes.Tasks, headers=("ETag",)),),
    )
)  # fmt: skip
def index() -> Response:
    """Answer every task."""
    return tagged({"items": [_task(spec) for spec in context().jobs.values()]})


@table.route(
    Route(
        "/api/tasks/{task}", "GET", "Show the task and what it takes", scope=Scope.READ, per_task=True,
        answers=(Answer(200, "The task, with the schema of its arguments.", shapes.Task, headers=("ETag",)),),
        errors=(UnknownTask,),
    )
)  # fmt: skip
def show(task: str) -> Response:
    """Answer one task."""
    return tagged(_task(context().jobs.find(task)))


@table.route(
    Route(
        "/api/tasks/{task}", "POST", "Run the task", scope=Scope.SUBMIT, per_task=True, request=BaseModel,
        description="The body is the arguments by name.", parameters=SUBMITTING, answers=SUBMITTED,
        errors=(UnknownTask, *HELD),
    )
)  # fmt: skip
def run(task: str) -> Response:
    """Queue a job of this task."""
    app = context()
    app.jobs.find(task)
    arguments = json_object()
    return submit(app, arguments, Wanted(task, arguments))


def _task(spec: TaskSpec) -> dict[str, Any]:
    address = f"/api/tasks/{spec.name}"
    return {
        "name": spec.name,
        "summary": spec.summary,
        "description": spec.description,
        "queue": spec.queue,
        "schema": spec.schema,
        "links": {"self": address, "run": address},
    }
