"""Queues: how they stand, pause, resume. Speaks Flask."""

from __future__ import annotations

from flask import Response

from celeriac import actions
from celeriac.actions.resource import queue_resource
from celeriac.api import shapes
from celeriac.api.answers import answer
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import UnknownQueue
from celeriac.registry.openapi import Answer, Route
from celeriac.store import queues

table = Table("queues")


@table.route(
    Route(
        "/api/queues", "GET", "List the queues as they stand", scope=Scope.OPERATE,
        answers=(Answer(200, "Every queue.", shapes.Queues),),
    )
)  # fmt: skip
def index() -> Response:
    """Answer every queue."""
    app = context()
    return answer({"items": [queue_resource(queue) for queue in queues.list_queues(app.client, app.space)]})


@table.route(
    Route(
        "/api/queues/{name}", "GET", "Show a queue as it stands", scope=Scope.OPERATE,
        answers=(Answer(200, "The queue.", shapes.Queue),), errors=(UnknownQueue,),
    )
)  # fmt: skip
def show(name: str) -> Response:
    """Answer one queue."""
    return _queue(name)


@table.route(
    Route(
        "/api/queues/{name}/pause", "POST", "Let no more of a queue's jobs start", scope=Scope.OPERATE,
        answers=(Answer(200, "The queue, paused; jobs that run go on.", shapes.Queue),), errors=(UnknownQueue,),
    )
)  # fmt: skip
def pause(name: str) -> Response:
    """Pause the queue."""
    actions.pause(context(), name)
    return _queue(name)


@table.route(
    Route(
        "/api/queues/{name}/resume", "POST", "Let a queue's jobs start again", scope=Scope.OPERATE,
        answers=(Answer(200, "The queue, handing out jobs.", shapes.Queue),), errors=(UnknownQueue,),
    )
)  # fmt: skip
def resume(name: str) -> Response:
    """Resume the queue."""
    actions.resume(context(), name)
    return _queue(name)


def _queue(name: str) -> Response:
    app = context()
    found = queues.find(app.client, app.space, name)
    if found is None:
        raise UnknownQueue(f"There is no queue named {name[:100]!r}.", "GET /api/queues lists the queues there are.")
    return answer(queue_resource(found))
