"""Many jobs: the list of those that fit a filter, page by page. Speaks Flask."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from celeriac.api import present, shapes
from celeriac.api.answers import answer
from celeriac.api.chosen import FILTERS, OF_THE_HISTORY, in_the_address, the_history
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest
from celeriac.registry.openapi import Answer, Parameter, Route
from celeriac.registry.value import JSON

table = Table("jobs")

SIZE, LARGEST = 50, 500
WHOLE: dict[str, JSON] = {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": SIZE}
CURSOR: dict[str, JSON] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"}
_SIZE = re.compile(r"[0-9]{1,3}")


@table.route(
    Route(
        "/api/jobs", "GET", "List jobs, the newest first",
        description="One's own; everybody's for operators. Without results, reasons to wait, and arguments over 4 KiB: "
        "a job itself has them. A page may have fewer jobs than asked for, even none, and still a next one.",
        scope=Scope.READ,
        parameters=(
            *FILTERS,
            Parameter("page_size", "query", "How many, at most.", WHOLE),
            Parameter("page_token", "query", "The `next_page_token` of the page before, with the same filter.", CURSOR),
        ),
        answers=(Answer(200, "A page of jobs.", shapes.Jobs, headers=("Link",)),), errors=(BadRequest, *OF_THE_HISTORY),
    )
)  # fmt: skip
def index() -> Response:
    """Answer a page of jobs."""
    app = context()
    filter = in_the_address("page_size", "page_token").narrow()
    page = the_history().page_now(filter, _size(request.args.get("page_size")), _token())
    items = [present.listed(app, job) for job in page.items]
    headers = {"Link": f'<{_next(page.next_token)}>; rel="next"'} if page.next_token else {}
    return answer({"items": items, "next_page_token": page.next_token or None}, headers=headers)


def _size(text: str | None) -> int:
    if text is None:
        return SIZE
    if not (_SIZE.fullmatch(text) and 1 <= int(text) <= LARGEST):
        raise BadRequest(f"page_size is not from 1 to {LARGEST}.")
    return int(text)


def _token() -> str:
    token = request.args.get("page_token")
    if token == "":
        raise BadRequest("The page_token is empty.", "Leave it out for the first page.")
    return token or ""


def _next(token: str) -> str:
    rest: list[tuple[str, Any]] = [pair for pair in request.args.items(multi=True) if pair[0] != "page_token"]
    return f"{request.path}?{urlencode([*rest, ('page_token', token)])}"
