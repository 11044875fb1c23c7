"""Speaks kombu's envelope: what a message says about its job, read at the door and never re-encoded afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kombu import serialization
from kombu.utils.json import loads

from celeriac.registry.value import dumps
from celeriac.registry.value import read as read_json

LEASE_HEADER = "celeriac_lease"  # the delivery's token, written by the fetch and stripped by the publish
#: header -> field of the record: on whose behalf a job was submitted
ON_BEHALF = {"celeriac_owner": "owner", "celeriac_request": "request_id", "traceparent": "traceparent"}
#: header -> field of the record: what is asked for this job alone, and not handed on
ITS_OWN = {"celeriac_callback": "callback_url"}
SAME_HEADER = "celeriac_same"  # [what makes a submission the same as another, seconds]
ONCE_HEADER = "celeriac_once"  # whoever submits may be repeating themselves
SCHEDULE_HEADER = "celeriac_schedule"  # the name under which beat submits the job
ANEW_HEADER = "celeriac_anew"  # the job ended, and runs again
RESTORED_HEADER = "celeriac_restored"  # what the history knows of a job that Redis has forgotten
RESTORED_FIELDS = ("created_at", "attempt", "losses", "seq", "fence", "reason", "attempts")
#: Headers that say something to the publish alone, and are stripped by it.
OURS = frozenset({LEASE_HEADER, SAME_HEADER, ONCE_HEADER, ANEW_HEADER, RESTORED_HEADER})
KEPT = ON_BEHALF | ITS_OWN
OPTIONS_LIMIT = 2048  # bytes
#: Headers that the record holds in fields of their own, or that matter to nobody later.
ELSEWHERE = {
    *ON_BEHALF,
    "lang",
    "task",
    "id",
    "eta",
    "retries",
    "root_id",
    "parent_id",
    "group",
    "argsrepr",
    "kwargsrepr",
    "origin",
}
EMPTY_EMBED = ', {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


def encoded(body: Any) -> str:
    """Return a body as kombu's JSON. Raises EncodeError."""
    try:
        return dumps(body)
    except (TypeError, ValueError, RecursionError):  # what only kombu's encoder knows, or nobody
        text: str = serialization.dumps(body, serializer="json")[2]
        return text


def made(queue: str, body: str, headers: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Return a message for the list of this queue as kombu makes it (messaging.py, transport/virtual/base.py)."""
    expiration = properties.pop("expiration", None)
    if expiration is not None:
        properties["expiration"] = str(int(expiration * 1000))
    properties.setdefault("delivery_mode", 2)
    properties["delivery_info"] = {"exchange": "", "routing_key": queue}
    properties["priority"] = properties.get("priority") or 0
    properties["body_encoding"] = "utf-8"
    properties["delivery_tag"] = os.urandom(8).hex()
    return {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }


def read(raw: bytes) -> Any:
    """Return a stored message. Only where a value of kombu's own JSON is in it every object is looked at for that."""
    return loads(raw) if b"__type__" in raw else read_json(raw)


def fence_of(headers: dict[str, Any]) -> int:
    """Strip the lease header that Celery copies into retries; return its fence if it names this very job, else 0."""
    token = headers.pop(LEASE_HEADER, None)
    if not isinstance(token, str):
        return 0
    id, _, fence = token.rpartition(":")
    return int(fence) if id == headers.get("id") and fence.isdigit() else 0


def restored_of(headers: dict[str, Any]) -> dict[str, int | str]:
    """Strip what the history adds when it queues a job again; return it as fields of the record."""
    given = headers.pop(RESTORED_HEADER, None)
    if not isinstance(given, dict):
        return {}
    return {name: given[name] for name in RESTORED_FIELDS if isinstance(given.get(name), int | str)}


def is_once(headers: dict[str, Any]) -> bool:
    """Strip the mark of a submission that may be a repetition; return whether it was there."""
    return headers.pop(ONCE_HEADER, None) is True


def is_anew(headers: dict[str, Any]) -> bool:
    """Strip the mark of a job that ended and runs again; return whether it was there."""
    return headers.pop(ANEW_HEADER, None) is True


def same_of(headers: dict[str, Any], body: Any) -> tuple[str, float]:
    """Strip what makes this submission the same as another; return it, with how long, or ('', 0).

    A retry, and a part of a canvas, is always a job of its own: others wait for it alone.
    """
    given = headers.pop(SAME_HEADER, None)
    alone = isinstance(body, str) and body.endswith(EMPTY_EMBED) and not headers.get("group")
    if not isinstance(given, list | tuple) or len(given) != 2 or headers.get("retries") or not alone:
        return "", 0.0
    return str(given[0])[:100], float(given[1])


def options_of(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Return as JSON what a submission asked for beyond task, arguments, queue and time; '' for most."""
    options = {name: value for name, value in headers.items() if value and name not in ELSEWHERE}
    if not any(options.get("timelimit") or ()):
        options.pop("timelimit", None)
    if properties.get("priority"):
        options["priority"] = properties["priority"]
    if not options:
        return ""
    text = json.dumps(options, separators=(",", ":"), default=str)
    return text if len(text) <= OPTIONS_LIMIT else ""


def delay_of(headers: dict[str, Any], now: datetime | None = None) -> float | None:
    """Return how many seconds the message must still wait for its ETA, or None when it need not.

    The ETA is read against the clock that wrote it, the producer's: only the difference travels.
    """
    eta = headers.get("eta")
    if not isinstance(eta, str):
        return None
    try:
        due = datetime.fromisoformat(eta)
    except ValueError:
        return None
    if due.tzinfo is None:
        due = due.replace(tzinfo=UTC)
    seconds = (due - (now or datetime.now(UTC))).total_seconds()
    return seconds if seconds > 0 else None


def arguments(body: str, limit: int) -> str:
    """Return `[args, kwargs]` (or the whole body, where it embeds more) for the record; '' when over the limit."""
    kept = body.removesuffix(EMPTY_EMBED) + "]" if body.endswith(EMPTY_EMBED) else body
    return kept if len(kept) <= limit else ""


def followers(body: str) -> list[tuple[str, str, str]]:
    """Return (id, task, `chain` or `body`) of what follows this message's job: its chain, its chord's body."""
    if body.endswith(EMPTY_EMBED):
        return []
    try:
        embed = json.loads(body)[2]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    if not isinstance(embed, dict):
        return []
    chain, chord = embed.get("chain"), embed.get("chord")
    chained = [job for signature in (chain if isinstance(chain, list) else []) for job in _jobs(signature)]
    return [*((id, task, "chain") for id, task in chained), *((id, task, "body") for id, task in _jobs(chord))]


def _jobs(signature: Any) -> Iterator[tuple[str, str]]:
    """Yield (id, task) of each job in a signature, however chains, groups and chords are nested in it."""
    if not isinstance(signature, dict):
        return
    kwargs, kind = signature.get("kwargs"), signature.get("subtask_type")
    if kind in ("chain", "group", "chord") and isinstance(kwargs, dict):
        tasks = kwargs.get("header" if kind == "chord" else "tasks")
        for inner in tasks if isinstance(tasks, list) else [tasks]:
            yield from _jobs(inner)
        yield from _jobs(kwargs.get("body"))
        return
    options = signature.get("options")
    id = options.get("task_id") if isinstance(options, dict) else None
    if isinstance(id, str) and isinstance(signature.get("task"), str):
        yield id, signature["task"]
