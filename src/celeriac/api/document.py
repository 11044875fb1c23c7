"""The API told to machines and people: the OpenAPI document and a page to read and try it. Speaks Flask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from flask import Response, current_app, send_from_directory
from pydantic import BaseModel, Field, RootModel, create_model
from werkzeug.exceptions import NotFound

from celeriac.api.answers import tagged
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.api.shapes import Submission
from celeriac.auth.caller import Scope
from celeriac.registry import TaskSpec, openapi
from celeriac.registry.openapi import Answer, Route
from celeriac.registry.value import JSON

table = Table("document")

ROUTES = "celeriac.routes"  # where an app keeps the table of its routes
FOLDER = Path(__file__).parent / "static"
ASSETS = {
    "docs.js": "docs.js",
    "swagger-ui.css": "swagger-ui/swagger-ui.css",
    "swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "favicon.png": "swagger-ui/favicon-32x32.png",
}
#: Everything from here, nothing inline; the styles of the page carry small images in themselves.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DESCRIPTION = (
    "Background jobs. `POST /api/tasks/{task}` queues a job and answers 202 with its address; "
    "`GET /api/jobs/{id}` says how it stands. Errors are problems (RFC 9457)."
)


def described() -> dict[str, JSON]:
    """Return the OpenAPI document of this app, its tasks included."""
    jobs = context().jobs
    routes: list[Route] = current_app.extensions[ROUTES]
    told = [replace(route, request=submission(jobs)) if route.request is Submission else route for route in routes]
    return openapi.document("Celeriac", version("celeriac"), told, jobs, DESCRIPTION)


def submission(jobs: Mapping[str, TaskSpec]) -> type[BaseModel]:
    """Return the shape of a whole submission: for each task, with its own arguments."""
    made: list[Any] = [_submission_of(spec) for spec in jobs.values()]
    if not made:
        return Submission
    every: Any = made[0] if len(made) == 1 else Annotated[Union[tuple(made)], Field(discriminator="task")]  # noqa: UP007
    shape: type[BaseModel] = create_model("Submission", __base__=RootModel[every])
    return shape


def _submission_of(spec: TaskSpec) -> type[BaseModel]:
    model: Any = spec.model
    needed = any(field.is_required() for field in spec.model.model_fields.values())
    default: Any = ... if needed else {}
    fields: Any = {"task": (Literal[spec.name], ...), "arguments": (model, default)}
    shape: type[BaseModel] = create_model(f"{spec.name}_submission", __base__=Submission, **fields)
    return shape


@table.route(
    Route(
        "/api/openapi.json", "GET", "This document", scope=Scope.READ,
        answers=(Answer(200, "OpenAPI 3.1.", headers=("ETag",), media="application/json"),),
    )
)  # fmt: skip
def document() -> Response:
    """Answer the document."""
    return tagged(described())


@table.route(
    Route("/api/docs", "GET", "A page to read and try the API", scope=Scope.READ,
          answers=(Answer(200, "The page.", media="text/html"),))
)  # fmt: skip
def page() -> Response:
    """Answer the page; all of it comes from here."""
    response = send_from_directory(FOLDER, "docs.html")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def asset(name: str) -> Response:
    """Answer a file of the page."""
    if name not in ASSETS:
        raise NotFound("The page has no such file.")
    response = send_from_directory(FOLDER, ASSETS[name], max_age=3600)
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
