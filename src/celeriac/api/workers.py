"""Workers: who is listening. Speaks Flask."""

from __future__ import annotations

from flask import Response

from celeriac.actions.resource import worker_resource
from celeriac.api import shapes
from celeriac.api.answers import answer
from celeriac.api.contract import Table
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.registry.openapi import Answer, Route
from celeriac.store import workers

table = Table("workers")


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
