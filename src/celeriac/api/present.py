"""A job as this caller may see it: secrets left out, what its exception said for operators alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from celeriac import errors
from celeriac.actions import Context
from celeriac.actions.resource import job_resource
from celeriac.actions.waiting import Waiting, waiting
from celeriac.api.door import caller, visit
from celeriac.auth.caller import Scope, Way
from celeriac.errors import UnknownJob
from celeriac.registry.file import is_file
from celeriac.registry.value import dumps
from celeriac.store import record
from celeriac.store.record import Record

INLINE = 64 * 1024  # bytes of a result that is shown inside the job
LISTED = 4096  # characters of arguments that are shown in a list
HIDDEN = "[hidden]"
_BARE = re.compile(r"[A-Za-z0-9_.~-]+")  # what an address takes as it is
_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|access_?key|private_?key|credential|authorization|cookie|^pwd$|^pin$",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"""(?P<name>['"]?[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|authorization)[\w-]*['"]?
        \s*[:=]\s*)(?P<value>"[^"]*"|'[^']*'|[^\s,;)}\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
#: Errors whose sentence is ours, or Celery's own, and tells nothing of the job's data.
_TOLD = {
    *(name for name, thing in vars(errors).items() if isinstance(thing, type)),
    *("WorkerLostError", "TimeLimitExceeded", "SoftTimeLimitExceeded", "EncodeError", "Terminated", "TaskRevokedError"),
}


def find(context: Context, id: str) -> Record:
    """Return the job if it exists for the caller; UnknownJob for everybody else's, ExpiredJob."""
    job = record.read(context.client, context.space, id)
    if not is_seen(job):
        raise unknown(id)
    return job


def unknown(id: str) -> UnknownJob:
    """Return what is said of a job that does not exist for the caller: the same as of one that never was."""
    return UnknownJob(f"No job has the id {id[:100]!r}.", "Use the id of the answer that submitted it.")


def is_seen(job: Record) -> bool:
    """Whether the job exists for the caller."""
    return caller().sees(job.id, owner_of(job))


def owner_of(job: Record) -> str:
    """Return who submitted the job, '' when nobody is known."""
    return job.extra.get("owner", "")


def show(context: Context, job: Record) -> dict[str, Any]:
    """Return the job for its caller, with the reason why it waits."""
    return shown(context, job, waiting(context, job))


def shown(context: Context, job: Record, reason: Waiting | None) -> dict[str, Any]:
    """Return the job for its caller; asks nobody anything."""
    who = caller()
    operator = who.may(Scope.OPERATE)
    body = job_resource(job, context.jobs, reason, operator=operator)
    by_link = who.way is Way.LINK
    body["arguments"] = None if by_link else redact(body["arguments"])
    body["error"] = _error(body["error"], operator)
    body["owner"] = None if by_link else owner_of(job) or None
    body["request_id"] = job.extra.get("request_id") or None
    body["links"] = links(job.id)
    body["result_file"] = _result_file(job)
    if body["result_file"] is not None:
        body["links"]["result"] = f"{address(job.id)}/result"
        body["result"] = job.result if is_file(job.result) else None
    return body


def listed(context: Context, job: Record) -> dict[str, Any]:
    """Return the job as one of many: what is large, or has to be asked for, is left out."""
    short = job if len(dumps([job.args, job.kwargs])) <= LISTED else replace(job, args=None, kwargs=None)
    return shown(context, replace(short, result=None), None)


def _result_file(job: Record) -> dict[str, Any] | None:
    """Return what is said of a result that is to be fetched: a file, or JSON too large to be inside the job."""
    if job.result is None:
        return None
    if is_file(job.result):
        return {name: job.result[name] for name in ("name", "media_type", "size")}
    size = len(dumps(job.result))
    return {"name": "", "media_type": "application/json", "size": size} if size > INLINE else None


def links(id: str) -> dict[str, str]:
    """Return the addresses of a job and of what can be done with it."""
    self = address(id)
    return {
        "self": self,
        "cancel": f"{self}/cancel",
        "retry": f"{self}/retry",
        "logs": f"{self}/logs",
        "family": f"{self}/family",
    }


def address(id: str) -> str:
    """Return the address of a job."""
    return f"/api/jobs/{id if _BARE.fullmatch(id) else quote(id, safe='')}"


def redact(value: Any) -> Any:
    """Return JSON with the values of telling names (password, token, api_key …) left out."""
    if isinstance(value, dict):
        return {k: HIDDEN if _SECRET.search(str(k)) and v is not None else redact(v) for k, v in value.items()}
    return [redact(item) for item in value] if isinstance(value, list) else value


def redact_text(text: str) -> str:
    """Return text with what is assigned to telling names left out."""
    return _ASSIGNED.sub(lambda match: match["name"] + HIDDEN, text)


def _error(error: Mapping[str, Any] | None, operator: bool) -> dict[str, Any] | None:
    if error is None:
        return None
    kind, message = str(error.get("type") or "Error"), str(error.get("message") or "")
    shown = {"type": kind, "message": told(kind, message)}
    if operator and error.get("traceback"):
        shown["traceback"] = redact_text(str(error["traceback"]))
    return shown


def told(kind: str, message: str) -> str:
    """Return what whoever calls may hear of an exception: all but what is secret, or that there was one."""
    who = visit().caller
    if who is not None and who.may(Scope.OPERATE):
        return redact_text(message)
    return message if kind in _TOLD else f"The job failed with {kind}; an operator can see what it said."
