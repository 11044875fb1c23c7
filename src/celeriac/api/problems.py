"""Whatever goes wrong becomes a problem (RFC 9457): a sentence, a remedy, no secrets. Speaks Flask and Werkzeug."""

from __future__ import annotations

import logging

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import RequestRedirect

from celeriac.api.bodies import drain, limit
from celeriac.api.door import visit
from celeriac.auth.caller import Scope
from celeriac.errors import BrokerUnavailable, CeleriacError, HistoryError, HistoryUnavailable, HistoryUnfit
from celeriac.registry.body import too_large
from celeriac.registry.problem import MEDIA_TYPE, Problem, problem_of

logger = logging.getLogger(__name__)

SERVER_ERROR = 500


def of_ours(error: CeleriacError) -> Response:
    """Answer an error of ours: what it says is fit for the caller."""
    if error.status == SERVER_ERROR:
        return of_anything(error)
    if isinstance(error, HistoryUnavailable | HistoryUnfit):
        error = _of_sql(error)
    response = _respond(problem_of(error, instance=request.path, request_id=visit().request_id))
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        shown = ', error="invalid_token"' if "Authorization" in request.headers else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="celeriac"{shown}'
    return response


def _of_sql(error: HistoryError) -> HistoryError:
    """Return what whoever calls may hear of our database: where it is, and what it said, is for operators."""
    who = visit().caller
    if who is not None and who.may(Scope.OPERATE):
        return error
    logger.warning("The history was asked for, and did not answer: %s", error)
    return type(error)("The history cannot be looked into at this moment.", "Jobs run all the same. Try again later.")


def of_http(error: HTTPException) -> Response | HTTPException:
    """Answer an error of HTTP itself: no such path, not this method, too large."""
    if isinstance(error, RequestRedirect) or error.code is None:
        return error
    if isinstance(error, RequestEntityTooLarge):
        return of_ours(too_large(limit()))
    problem = Problem(
        type="about:blank",
        title=error.name,
        status=error.code,
        detail=error.description or error.name,
        instance=request.path,
        request_id=visit().request_id,
    )
    response = _respond(problem)
    response.headers.extend(
        (k, v) for k, v in error.get_headers() if k.lower() not in ("content-type", "content-length")
    )
    return response


def of_submitting(error: Exception) -> Response:
    """Answer Celery's error of a job that the broker did not take: nothing was queued."""
    logger.warning("A job was not accepted: %s", error)
    return of_ours(BrokerUnavailable("The job was not accepted: Redis does not answer.", "Try again soon."))


def of_anything(error: Exception) -> Response:
    """Answer what nobody foresaw: the log has the whole, the caller an id to ask for."""
    request_id = visit().request_id
    logger.error("Request %s failed: %s %s", request_id, request.method, request.path, exc_info=error)
    problem = Problem(
        type="about:blank",
        title="Internal Server Error",
        status=SERVER_ERROR,
        detail="Something went wrong here; the server's log says what.",
        hint=f"Ask for request {request_id}.",
        instance=request.path,
        request_id=request_id,
    )
    return _respond(problem)


def _respond(problem: Problem) -> Response:
    if request.method not in ("GET", "HEAD"):
        drain()
    text = problem.model_dump_json(exclude_defaults=True)
    return current_app.response_class(text, problem.status, mimetype=MEDIA_TYPE)
