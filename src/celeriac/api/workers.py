"""Workers: who is listening, how many jobs at once, and their end. Speaks Flask."""

from __future__ import annotations

from flask import Response

from celeriac import actions
from celeriac.actions.resource import worker_resource
from celeriac.api import shapes
from celeriac.api.answers import answer
from celeriac.api.bodies import fit, json_object
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import Conflict, UnknownWorker, WorkerSilent
from celeriac.registry.openapi import Answer, Route
from celeriac.store import workers

table = Table("workers")

TOLD = (UnknownWorker, Conflict, WorkerSilent)


@table.route(
    Route(
        "/api/workers", "GET", "List the workers heard of in the last minute", scope=Scope.OPERATE,
        answers=(Answer(200, "Every worker.", shapes.Workers),),
    )
)  # fmt: skip
def index() -> Response:
    """Answer every worker."""
    app = context()
    return answer({"items": [worker_resource(worker) for worker in workers.list_workers(app.client, app.space)]})


@table.route(
    Route(
        "/api/workers/{name}/pool", "POST", "Let a worker run more jobs at once, or fewer",
        description="Until it ends. The pools prefork and gevent can; 409 says why another cannot, or not now.",
        scope=Scope.OPERATE, request=shapes.PoolSize,
        answers=(Answer(200, "The worker, its pool of this size.", shapes.Worker),), errors=TOLD,
    )
)  # fmt: skip
def resize(name: str) -> Response:
    """Give the worker's pool another size."""
    size = fit(shapes.PoolSize, json_object()).size
    return answer(worker_resource(actions.resize(context(), name, size)))


@table.route(
    Route(
        "/api/workers/{name}/shutdown", "POST", "Let a worker end",
        description="As on SIGTERM: its jobs have `CELERIAC_GRACE` to finish, the others go back to their queue. "
        "Whatever started it may start it again.",
        scope=Scope.OPERATE,
        answers=(Answer(202, "It was told, and takes no more jobs.", shapes.Worker),), errors=TOLD,
    )
)  # fmt: skip
def shutdown(name: str) -> Response:
    """Let the worker end."""
    return answer(worker_resource(actions.shut_down(context(), name)), 202)
