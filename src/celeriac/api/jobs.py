"""Jobs: submit, show, cancel, retry, delete. Speaks Flask."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask import Response, current_app, request

from celeriac import actions, history
from celeriac.api import past, present, shapes, wait
from celeriac.api.answers import answer, nothing, tagged
from celeriac.api.bodies import fit, json_object
from celeriac.api.contract import Table
from celeriac.api.door import secrets
from celeriac.api.intake import HELD, KEY, SUBMITTED, SUBMITTING, Wanted, submit
from celeriac.api.once import Told, once
from celeriac.api.parts import context
from celeriac.auth import link
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest, Conflict, ExpiredJob, UnknownJob, UnknownTask
from celeriac.job import State
from celeriac.registry.openapi import Answer, Parameter, Route
from celeriac.store import record

table = Table("jobs")

UNKNOWN = (UnknownJob, ExpiredJob)
UNCHANGED = Answer(304, "The version that `If-None-Match` names is the present one.", headers=("ETag",))
IF_NONE_MATCH = Parameter("If-None-Match", "header", "The `ETag` of the version that the caller has.")


@table.route(
    Route(
        "/api/jobs", "POST", "Submit a job, the whole of it",
        description="Later, on another queue, more or less urgent; `POST /api/tasks/{task}` takes arguments alone.",
        scope=Scope.SUBMIT, request=shapes.Submission, parameters=SUBMITTING, answers=SUBMITTED,
        errors=(UnknownTask, Conflict, *HELD),
    )
)  # fmt: skip
def create() -> Response:
    """Queue a job."""
    payload = json_object()
    given = fit(shapes.Submission, payload)
    return submit(context(), payload, Wanted(**dict(given)))


@table.route(
    Route(
        "/api/jobs/{id}", "GET", "Show a job", scope=Scope.READ, by_link=True,
        parameters=(IF_NONE_MATCH, Parameter("Prefer", "header", "`wait=N`: answer when it has ended, at most N s.")),
        description="When Redis has forgotten it, as the history remembers it.",
        answers=(Answer(200, "The job.", shapes.Job, headers=("ETag", "Retry-After", "Preference-Applied")), UNCHANGED),
        errors=past.GONE,
    )
)  # fmt: skip
def show(id: str) -> Response:
    """Answer the job as it is, or as it is when it has ended."""
    app = context()
    job, lives = past.look_up(app, id)
    waited, headers = wait.for_end(id) if lives and not job.done else (None, {})
    job = waited or job
    if not job.done:
        headers["Retry-After"] = str(_again_after(job))
    body = present.show(app, job)
    if not lives:
        kept = ("self", "retry", "result") if job.done else ("self",)
        body["links"] = {name: where for name, where in body["links"].items() if name in kept}
    return tagged(body, headers)


@table.route(
    Route(
        "/api/jobs/{id}", "DELETE", "Forget a job that has ended", scope=Scope.SUBMIT,
        answers=(Answer(204, "It is forgotten: record, log and result, and in the history."),),
        errors=(*past.GONE, Conflict),
    )
)  # fmt: skip
def delete(id: str) -> Response:
    """Forget the job."""
    app = context()
    job, lives = past.look_up(app, id)
    if lives:
        actions.delete(app, id)
    else:
        actions.past.delete(app, job)
    return nothing()


@table.route(
    Route(
        "/api/jobs/{id}/cancel", "POST", "Ask a job to stop",
        description="A job that waits never starts; one that runs stops at its next step, or by force where possible.",
        scope=Scope.SUBMIT, by_link=True,
        answers=(Answer(200, "It is cancelled.", shapes.Job), Answer(202, "It was told, and stops soon.", shapes.Job)),
        errors=(*past.GONE, Conflict),
    )
)  # fmt: skip
def cancel(id: str) -> Response:
    """Ask the job to stop."""
    app = context()
    job, lives = past.look_up(app, id)
    if not lives:
        raise actions.past.not_there(job)
    state = actions.cancel(app, id)
    return answer(present.show(app, present.find(app, id)), 202 if state is State.CANCELLING else 200)


@table.route(
    Route(
        "/api/jobs/{id}/retry", "POST", "Run a job once more, under its id", scope=Scope.SUBMIT,
        request=shapes.Repetition, body_required=False,
        description="When Redis has forgotten it, with the arguments that the history kept.",
        parameters=(Parameter("Idempotency-Key", "header", "Equal requests with this key are one.", KEY),),
        answers=(Answer(202, "It is queued again, history kept.", shapes.Job, headers=("Location", "Retry-After")),),
        errors=(*past.GONE, Conflict, *HELD),
    )
)  # fmt: skip
def retry(id: str) -> Response:
    """Queue the job again."""
    app = context()
    payload = json_object(optional=True)
    given = fit(shapes.Repetition, payload)

    def do(_: str, again: bool) -> Told:
        job, lives = past.look_up(app, id)
        if not lives:
            actions.past.retry(app, history.of(current_app), job, given.arguments)
        elif not (again and not job.done):  # else the request before this one did it
            actions.retry(app, id, given.arguments)
        kwargs = job.kwargs if given.arguments is None else given.arguments
        queued = replace(
            job, state=State.QUEUED, finished_at=None, started_at=None, worker="", reason="retried", progress=None,
            result=None, error=None, kwargs=kwargs, args=job.args if given.arguments is None else [],
        )  # fmt: skip
        return Told(202, present.shown(app, queued, None), {"Location": present.address(id), "Retry-After": "1"})

    return once(payload, do).response()


@table.route(
    Route(
        "/api/jobs/{id}/logs", "GET", "What a job printed and logged", scope=Scope.READ, by_link=True,
        description="`Accept: text/plain` gives one line each.",
        parameters=(Parameter("after", "query", "Only lines after this `seq`.", {"type": "integer", "minimum": 0}),),
        answers=(Answer(200, "The lines, the oldest first.", shapes.Log),), errors=(*past.GONE, BadRequest),
    )
)  # fmt: skip
def logs(id: str) -> Response:
    """Answer the job's lines."""
    app = context()
    job = past.living(app, id, "log")
    after = request.args.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) <= 15):
        raise BadRequest("`after` is not the `seq` of a line.")
    lines = record.log(app.client, app.space, id, int(after))
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        text = "".join(f"{line.at or '-'} {line.level} {json.dumps(line.text)[1:-1]}\n" for line in lines)
        return current_app.response_class(text, mimetype="text/plain")
    return answer({"items": [actions.resource.line_resource(line) for line in lines], "dropped": job.dropped_lines})


@table.route(
    Route(
        "/api/jobs/{id}/links", "POST", "Make a signed link to a job, for somebody without a token",
        scope=Scope.SUBMIT, request=shapes.LinkWanted, body_required=False,
        answers=(Answer(201, "The link. It cannot be taken back before it ends.", shapes.Link),),
        errors=(*UNKNOWN, Conflict),
    )
)  # fmt: skip
def share(id: str) -> Response:
    """Sign a link."""
    wanted = fit(shapes.LinkWanted, json_object(optional=True))
    present.find(context(), id)
    keys = secrets()
    if not keys:
        raise Conflict("Without a SECRET_KEY nothing can be signed here.", "Set SECRET_KEY.")
    grant = link.Grant.CANCEL if wanted.grant == "cancel" else link.Grant.WATCH
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=wanted.seconds)
    key = link.sign(keys[0], id, grant, ends)
    url = f"{request.host_url.rstrip('/')}{present.address(id)}?key={key}"
    return answer({"url": url, "key": key, "grant": wanted.grant, "expires_at": ends.isoformat()}, 201)


def _again_after(job: record.Record) -> int:
    """Return after how many seconds it is worth to ask again: soon, or when the job is due."""
    if job.due and job.state in (State.SCHEDULED, State.RETRYING):
        return int(min(60.0, max(1.0, (job.due - datetime.now(UTC)).total_seconds())))
    return 1
