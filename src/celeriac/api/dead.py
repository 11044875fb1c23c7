"""Dead letters: list, look, requeue, throw away. Speaks Flask."""

from __future__ import annotations

import re

from flask import Response, request

from celeriac import actions
from celeriac.actions.resource import letter_resource
from celeriac.api import shapes
from celeriac.api.answers import answer, nothing
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest, Conflict, UnknownJob
from celeriac.registry.openapi import Answer, Parameter, Route
from celeriac.registry.value import JSON
from celeriac.store import dead

table = Table("dead letters")

SIZE, LARGEST = 50, 500
WHOLE: dict[str, JSON] = {"type": "integer", "minimum": 1, "maximum": LARGEST}
CURSOR: dict[str, JSON] = {"type": "string", "pattern": r"^\d{1,15}:.{1,300}$"}
_CURSOR = re.compile(r"(\d{1,15}):(.{1,300})", re.DOTALL)


@table.route(
    Route(
        "/api/dead", "GET", "List dead letters, the newest first", scope=Scope.OPERATE,
        parameters=(
            Parameter("page_size", "query", "How many, at most.", WHOLE),
            Parameter("page_token", "query", "The `next_page_token` of the page before.", CURSOR),
        ),
        answers=(Answer(200, "A page of letters.", shapes.Letters, headers=("Link",)),), errors=(BadRequest,),
    )
)  # fmt: skip
def index() -> Response:
    """Answer a page of letters."""
    app = context()
    size, after = _size(request.args.get("page_size")), _after(request.args.get("page_token"))
    found = dead.list_letters(app.client, app.space, size, after)
    token = ":".join(map(str, dead.cursor(found[-1]))) if len(found) == size else None
    items = [letter_resource(letter, app.jobs) for letter in found]
    return answer({"items": items, "next_page_token": token})


@table.route(
    Route(
        "/api/dead", "DELETE", "Throw every dead letter away", scope=Scope.OPERATE,
        answers=(Answer(200, "How many there were; their jobs stay lost.", shapes.Purged),),
    )
)  # fmt: skip
def purge() -> Response:
    """Throw every letter away."""
    return answer({"purged": actions.purge_dead(context())})


@table.route(
    Route(
        "/api/dead/requeue", "POST", "Give every dead letter another run", scope=Scope.OPERATE,
        answers=(Answer(200, "Which are queued again, and which nobody can read.", shapes.Requeued),),
    )
)  # fmt: skip
def requeue_all() -> Response:
    """Queue every letter again."""
    queued, refused = actions.requeue(context())
    return answer({"queued": queued, "refused": refused})


@table.route(
    Route(
        "/api/dead/{id}", "GET", "Show a dead letter with its message", scope=Scope.OPERATE,
        answers=(Answer(200, "The letter.", shapes.Letter),), errors=(UnknownJob,),
    )
)  # fmt: skip
def show(id: str) -> Response:
    """Answer one letter."""
    app = context()
    return answer(letter_resource(_letter(id), app.jobs, message=True))


@table.route(
    Route(
        "/api/dead/{id}", "DELETE", "Throw a dead letter away", scope=Scope.OPERATE,
        answers=(Answer(204, "It is gone; its job stays lost."),), errors=(UnknownJob,),
    )
)  # fmt: skip
def delete(id: str) -> Response:
    """Throw the letter away."""
    _letter(id)
    actions.purge_dead(context(), [id])
    return nothing()


@table.route(
    Route(
        "/api/dead/{id}/requeue", "POST", "Give a dead letter another run", scope=Scope.OPERATE,
        answers=(Answer(200, "It is queued again, its losses forgotten.", shapes.Requeued),),
        errors=(UnknownJob, Conflict),
    )
)  # fmt: skip
def requeue(id: str) -> Response:
    """Queue the letter again."""
    queued, refused = actions.requeue(context(), [id])
    return answer({"queued": queued, "refused": refused})


def _letter(id: str) -> dead.Letter:
    app = context()
    letter = dead.find(app.client, app.space, id)
    if letter is None:
        raise UnknownJob(f"No dead letter has the id {id[:100]!r}.", "GET /api/dead lists them.")
    return letter


def _size(text: str | None) -> int:
    if text is None:
        return SIZE
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST):
        raise BadRequest(f"page_size is not from 1 to {LARGEST}.")
    return int(text)


def _after(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise BadRequest("This page_token is none of ours.", "Start again without one.")
    return int(match[1]), match[2]
