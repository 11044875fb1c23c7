"""Many jobs at once: cancel or retry all that fit a filter. Speaks Flask and pydantic."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from flask import Response
from pydantic import BaseModel, Field

from celeriac.actions.many import Verb, do_to_many, fitting
from celeriac.api.bodies import fit, json_object
from celeriac.api.chosen import OF_THE_HISTORY, JobFilter, the_history
from celeriac.api.contract import Table
from celeriac.api.intake import HELD, KEY
from celeriac.api.lists import PageToken
from celeriac.api.once import Told, once
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest, InvalidArguments
from celeriac.registry.openapi import Answer, Parameter, Route

table = Table("jobs")

IDEMPOTENT = (Parameter("Idempotency-Key", "header", "Equal requests with this key are one.", KEY),)
#: Fields that say how it is done, and not to which jobs.
HOW = ("all", "dry_run", "limit", "page_token")


class Many(JobFilter):
    """Which jobs, and how many of them; without any filter, `all` says that every job is meant."""

    all: bool = Field(False, description="Every job; in place of a filter.")
    dry_run: bool = Field(False, description="Only count those that it would be done to.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(1000, description="To how many, at most.")
    page_token: PageToken | None = Field(
        None, description="The `next_page_token` of the call before, with the same filter."
    )


class Failure(BaseModel):
    """Why it could not be done to a job; an empty id: why it was broken off."""

    id: str
    detail: str


class Outcome(BaseModel):
    """To how many jobs it was done (or would be, in a dry run); `skipped` ones had changed or were forgotten meanwhile.
    With a `next_page_token` there are more: the same request with that token goes on."""

    dry_run: bool
    count: int
    skipped: int
    failed: int
    problems: list[Failure] = Field(description="Of the first that failed.")
    next_page_token: str | None


@table.route(
    Route(
        "/api/jobs:cancel", "POST", "Ask all jobs that fit to stop",
        description="One's own; everybody's for operators. Those of the filter that have not ended.",
        scope=Scope.SUBMIT, request=Many, parameters=IDEMPOTENT,
        answers=(Answer(200, "What came of it.", Outcome),), errors=(BadRequest, *OF_THE_HISTORY, *HELD),
    )
)  # fmt: skip
def cancel() -> Response:
    """Cancel many."""
    return _many(Verb.CANCEL)


@table.route(
    Route(
        "/api/jobs:retry", "POST", "Run all jobs that fit once more",
        description="One's own; everybody's for operators. Those of the filter that failed or were lost, or that ended "
        "in a state that it names.",
        scope=Scope.SUBMIT, request=Many, parameters=IDEMPOTENT,
        answers=(Answer(200, "What came of it.", Outcome),), errors=(BadRequest, *OF_THE_HISTORY, *HELD),
    )
)  # fmt: skip
def retry() -> Response:
    """Retry many."""
    return _many(Verb.RETRY)


def _many(verb: Verb) -> Response:
    payload = json_object()
    given = fit(Many, payload)
    if given.all == bool(given.model_fields_set.difference(HOW)):
        wrong = {"pointer": "/all", "detail": "should be true for every job, and absent beside a filter."}
        raise InvalidArguments("Which jobs are meant?", [wrong], "Give a filter, or `all`.")
    return once(payload, lambda *_: Told(200, _done(verb, given))).response()


def _done(verb: Verb, given: Many) -> dict[str, object]:
    asked, filter = the_history(), given.narrow()
    states = fitting(verb, given.state)
    filter = replace(filter, states=states)
    nothing = {"skipped": 0, "failed": 0, "problems": [], "next_page_token": None}
    if given.dry_run or not states:
        return {"dry_run": given.dry_run, "count": asked.count(filter) if states else 0, **nothing}
    found = do_to_many(
        context(),
        asked,
        verb,
        lambda size, token: asked.page_now(filter, size, token),
        given.limit,
        given.page_token or "",
    )
    return {
        "dry_run": False, "count": found.done, "skipped": found.skipped, "failed": found.failed,
        "problems": [{"id": id, "detail": detail} for id, detail in found.problems],
        "next_page_token": found.next_token or None,
    }  # fmt: skip
