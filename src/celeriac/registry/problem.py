"""The shape of every error over HTTP: a problem of RFC 9457, made from the error itself. Pure."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from celeriac.errors import CeleriacError

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One wrong place in what was sent."""

    pointer: str = Field(description="JSON Pointer to the place; empty for the whole.")
    detail: str = Field(description="What is wrong there, as a sentence.")


class Problem(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="Which kind of problem, as a URN.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status, repeated.")
    detail: str = Field(description="What happened this time, as a sentence.")
    hint: str = Field("", description="What to do about it.")
    instance: str = Field("", description="The path that was asked for.")
    request_id: str = Field("", description="The id under which the server's log knows this request.")
    errors: list[FieldProblem] = Field(default=[], description="One entry per wrong field.")


def problem_of(error: CeleriacError, *, instance: str = "", request_id: str = "") -> Problem:
    """Return what a caller may see of `error`: its sentence and hint, never its cause or traceback."""
    return Problem(
        type=kind_of(type(error)),
        title=error.title,
        status=error.status,
        detail=error.message,
        hint=error.hint,
        instance=instance,
        request_id=request_id,
        errors=[FieldProblem(**entry) for entry in getattr(error, "errors", [])],
    )


def kind_of(error: type[CeleriacError]) -> str:
    """Return the URN of an error class, as `urn:celeriac:problem:unknown-job`."""
    return "urn:celeriac:problem:" + re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()
