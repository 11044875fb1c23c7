"""Many jobs: the list of those that fit a filter, page by page. Speaks Flask."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from flask import Response, request
from pydantic import Field

from celeriac.api import present, shapes
from celeriac.api.answers import answer
from celeriac.api.chosen import OF_THE_HISTORY, JobFilter, the_history
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.api.queries import Whole, parameters, query
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest
from celeriac.registry.openapi import Answer, Route

table = Table("jobs")

PageToken = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,100}$")]


class PageWanted(JobFilter):
    """A page of the jobs that fit a filter."""

    page_size: Annotated[Whole, Field(ge=1, le=500)] = Field(50, description="How many, at most.")
    page_token: PageToken | None = Field(
        None, description="The `next_page_token` of the page before, with the same filter."
    )


@table.route(
    Route(
        "/api/jobs", "GET", "List jobs, the newest first",
        description="One's own; everybody's for operators. Without results, reasons to wait, and arguments over 4 KiB: "
        "a job itself has them. A page may have fewer jobs than asked for, even none, and still a next one.",
        scope=Scope.READ,
        parameters=parameters(PageWanted),
        answers=(Answer(200, "A page of jobs.", shapes.Jobs, headers=("Link",)),), errors=(BadRequest, *OF_THE_HISTORY),
    )
)  # fmt: skip
def index() -> Response:
    """Answer a page of jobs."""
    app = context()
    wanted = query(PageWanted, "state")
    page = the_history().page_now(wanted.narrow(), wanted.page_size, wanted.page_token or "")
    items = [present.listed(app, job) for job in page.items]
    headers = {"Link": f'<{_next(page.next_token)}>; rel="next"'} if page.next_token else {}
    return answer({"items": items, "next_page_token": page.next_token or None}, headers=headers)


def _next(token: str) -> str:
    rest: list[tuple[str, Any]] = [pair for pair in request.args.items(multi=True) if pair[0] != "page_token"]
    return f"{request.path}?{urlencode([*rest, ('page_token', token)])}"
