"""Jobs watched live: streams of events (text/event-stream), and the web component that shows one. Speaks Flask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Response, current_app, request, send_from_directory

from celeriac.api import past, present
from celeriac.api.answers import nothing
from celeriac.api.contract import Table
from celeriac.api.door import caller, secrets
from celeriac.api.parts import context, parts
from celeriac.auth import link
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest, Conflict, ExpiredJob, StreamsTaken, UnknownJob
from celeriac.registry.openapi import Answer, Parameter, Route
from celeriac.store import record
from celeriac.watch import Line, Stream, Wish, position

table = Table("events")

MOST_JOBS = 100
FOLDER = Path(__file__).parent / "static"
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
LAST_ID = (
    Parameter("Last-Event-ID", "header", "The id of the last event that was received: what came after it follows."),
    Parameter("last_event_id", "query", "The same, for who cannot send the header, which wins."),
)
EVENTS = Answer(200, "Events, each with an id; `end` or `reset` as described.", media="text/event-stream")
TOLD = Answer(204, "Everything was received before, and nothing more will come: do not come back.")


@table.route(
    Route(
        "/api/jobs/{id}/events", "GET", "Watch a job live", scope=Scope.READ, by_link=True,
        description=(
            "`state`, `progress` and `log` as they happen, from the start or from where the caller was; `end` is the "
            "last one. `reset` shows how the job stands, when more happened than is kept."
        ),
        parameters=LAST_ID, answers=(EVENTS, TOLD), errors=(*past.GONE, StreamsTaken),
    )
)  # fmt: skip
def of_job(id: str) -> Response:
    """Stream the job's events."""
    left, _ = position.read(_last_id(), [id], everyone=False)
    stream = _take()
    try:
        with parts().watch.gate:
            present.find(context(), id)
            return _send(stream, Wish(left))
    except (UnknownJob, ExpiredJob):
        stream.close()
        past.living(context(), id, "stream of events")  # raises what the history makes of it
        raise
    except BaseException:
        stream.close()
        raise


@table.route(
    Route(
        "/api/events", "GET", "Watch many jobs live", scope=Scope.READ,
        description=(
            "Everything of the `jobs` that are named; without, every transition of every job that the caller sees, "
            "from now on. Both with `all=true`."
        ),
        parameters=(
            *LAST_ID,
            Parameter("jobs", "query", f"Ids, separated by commas, {MOST_JOBS} at most."),
            Parameter("all", "query", "Every job's transitions beside the named ones.", {"type": "boolean"}),
        ),
        answers=(EVENTS, TOLD), errors=(BadRequest, UnknownJob, StreamsTaken),
    )
)  # fmt: skip
def of_many() -> Response:
    """Stream the events of several jobs, or of all."""
    ids = _ids()
    everyone = not ids or request.args.get("all", "").lower() in ("true", "1")
    left, journal = position.read(_last_id(), ids, everyone)
    stream = _take()
    try:
        with parts().watch.gate:
            return _send(stream, Wish(left, _hidden(ids), everyone, journal))
    except BaseException:
        stream.close()
        raise


@table.route(
    Route(
        "/api/job-progress.js", "GET", "The web component `<job-progress>`",
        answers=(Answer(200, "A module that defines it.", media="text/javascript"),),
    )
)  # fmt: skip
def component() -> Response:
    """Answer the component's source."""
    response = send_from_directory(FOLDER, "job-progress.js", mimetype="text/javascript")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def signed_address(id: str, cancel: bool, seconds: float) -> str:
    """Return the job's address with a key for whoever gets it. Raises Conflict where nothing can be signed."""
    keys = secrets()
    if not keys:
        raise Conflict("Without a SECRET_KEY nothing can be signed here.", "Set SECRET_KEY.")
    grant = link.Grant.CANCEL if cancel else link.Grant.WATCH
    key = link.sign(keys[0], id, grant, datetime.now(UTC) + timedelta(seconds=seconds))
    return f"{present.address(id)}?key={key}"


def _take() -> Stream:
    """Take a stream on this request's connection."""
    # over HTTP/2 a connection carries other requests, too, and is left alone
    alone = request.environ.get("HTTP_VERSION") != "2"
    socket = request.environ.get("gunicorn.socket") or request.environ.get("werkzeug.socket") if alone else None
    return parts().watch.stream(Line(socket), caller().sees)


def _send(stream: Stream, wish: Wish) -> Response:
    if parts().watch.begin(stream, wish):
        return current_app.response_class(stream, mimetype="text/event-stream", headers=HEADERS)
    stream.close()
    return nothing()


def _last_id() -> str | None:
    return request.headers.get("Last-Event-ID") or request.args.get("last_event_id")


def _ids() -> list[str]:
    ids = [id for id in dict.fromkeys(request.args.get("jobs", "").split(",")) if id]
    if len(ids) > MOST_JOBS:
        raise BadRequest(f"More than {MOST_JOBS} jobs.", "Watch fewer, or all of them: leave `jobs` out.")
    return ids


def _hidden(ids: list[str]) -> set[str]:
    """Return those of the jobs that do not exist for the caller. Raises UnknownJob when none of them does."""
    if not ids:
        return set()
    app, who = context(), caller()
    found = zip(ids, record.read_many(app.client, app.space, ids), strict=True)
    hidden = {id for id, job in found if not (job and who.sees(id, present.owner_of(job)))}
    if len(hidden) == len(ids):
        raise UnknownJob("None of these jobs is known.", "Use the ids of the answers that submitted them.")
    return hidden
