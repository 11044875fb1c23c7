"""Puts the routes into an app, and answers as problems what no route answers. Speaks Flask and Werkzeug."""

from __future__ import annotations

import functools

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from celeriac.api import (
    batch,
    cors,
    dead,
    document,
    events,
    family,
    files,
    health,
    jobs,
    lists,
    many,
    metrics,
    past,
    problems,
    queues,
    results,
    schedules,
    session,
    stats,
    tasks,
    workers,
)
from celeriac.api.answers import HSTS, SECURITY_HEADERS
from celeriac.api.bodies import drain
from celeriac.api.door import visit
from celeriac.errors import CeleriacError

NAME = "celeriac_api"
OUTSIDE = ("/healthz", "/readyz", "/metrics")
TABLES = (
    tasks.table,
    batch.table,
    jobs.table,
    lists.table,
    many.table,
    past.table,
    family.table,
    results.table,
    files.table,
    events.table,
    queues.table,
    workers.table,
    schedules.table,
    stats.table,
    dead.table,
    session.table,
    health.table,
    metrics.table,
    document.table,
)


def install(app: Flask) -> None:
    """Give the app every route of the API; what goes wrong in them is answered here, whatever the app does."""
    blueprint = Blueprint(NAME, __name__)
    for table in TABLES:
        table.install(blueprint)
    blueprint.add_url_rule("/api/docs/<name>", "asset", document.asset)
    blueprint.register_error_handler(CeleriacError, problems.of_ours)
    blueprint.register_error_handler(HTTPException, problems.of_http)
    blueprint.register_error_handler(Exception, problems.of_anything)
    blueprint.after_request(_finish)
    app.after_request(_hear_out)
    app.register_blueprint(blueprint)
    app.extensions[document.ROUTES] = [route for table in TABLES for route, _ in table.entries]
    ours = Map([rule.empty() for rule in app.url_map.iter_rules() if rule.endpoint.startswith(f"{NAME}.")])
    for path in ("/api", "/api/", "/api/<path:rest>", *OUTSIDE):
        # of every method, after all others: what no route answers is answered as a problem, too
        app.url_map.add(Rule(path, endpoint=f"{NAME}.nowhere", methods=None))
    app.view_functions[f"{NAME}.nowhere"] = functools.partial(nowhere, ours)


def nowhere(ours: Map, rest: str = "") -> Response:
    """Say that there is nothing here, or that what is here has other methods."""
    methods = ours.bind("").allowed_methods(request.path)
    if methods:
        raise MethodNotAllowed(sorted(methods))
    raise NotFound("There is nothing at this address.")


def _hear_out(response: Response) -> Response:
    """Let who sent too much, to any view of the app, hear that it was too much."""
    if response.status_code == 413:
        drain()
    return response


def _finish(response: Response) -> Response:
    """Say which request this answers, and what browsers must not do with it."""
    seen, headers = visit(), response.headers
    cors.allow(response)
    said = [("X-Request-ID", seen.request_id), *SECURITY_HEADERS.items()]
    if seen.traceparent:
        said.append(("traceparent", seen.traceparent))
    if request.is_secure:
        said.append(("Strict-Transport-Security", HSTS))
    there = {name.lower() for name, _ in headers}  # looked up once: each look goes through all of them
    headers[len(headers) :] = [pair for pair in said if pair[0].lower() not in there]
    return response
