"""Speaks Celery: a job that Redis has forgotten is submitted once more, as it was, under its id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery.exceptions import OperationalError

from celeriac.errors import BrokerUnavailable
from celeriac.queue.message import ON_BEHALF, RESTORED_HEADER

if TYPE_CHECKING:
    from celeriac.worker.app import CeleryApp

OPTIONS = ("priority", "expires", "group_index", "shadow", "ignore_result", "replaced_task_nesting", "stamped_headers")
EMBEDDED = {"callbacks": "link", "errbacks": "link_error", "chain": "chain", "chord": "chord"}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A job as the history knows it: `arguments` and `options` as the record holds them (JSON), `due` in ms.

    `fields` go back into the record: `created_at`, `attempt`, `losses`, `seq`, `fence`, `reason`; `behalf` is whose
    job it is.
    """

    id: str
    task: str
    queue: str
    arguments: str
    options: str = ""
    retries: int = 0
    due: int | None = None
    root_id: str = ""
    parent_id: str = ""
    group_id: str = ""
    fields: Mapping[str, int | str] = field(default_factory=dict)
    behalf: Mapping[str, str] = field(default_factory=dict)

    def is_expired(self, now: datetime) -> bool:
        """Has the time passed after which it must not run?"""
        text = _object(self.options).get("expires")
        try:
            expires = datetime.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            return False
        return expires is not None and expires.replace(tzinfo=expires.tzinfo or UTC) <= now

    def is_whole(self) -> bool:
        """Are its arguments known?"""
        return bool(self.task and self.queue and _body(self.arguments))


def restore(celery: CeleryApp, jobs: list[Forgotten]) -> None:
    """Queue the jobs, each only where Redis knows nothing of it. Raises BrokerUnavailable: some may be queued."""
    try:
        with celery.connection_for_write() as connection:  # one of its own: this runs on a thread of its own
            for job in jobs:
                celery.send_task(job.task, connection=connection, add_to_parent=False, **_message(job))
    except (OperationalError, OSError) as error:
        raise BrokerUnavailable("Redis does not answer; not every job is queued again.", "Run it again.") from error


def _message(job: Forgotten) -> dict[str, Any]:
    args, kwargs, *embed = _body(job.arguments)
    given = _object(job.options)
    message = {"args": args, "kwargs": kwargs, "task_id": job.id, "queue": job.queue, "retries": job.retries}
    message |= {"root_id": job.root_id or job.id, "parent_id": job.parent_id or None, "group_id": job.group_id or None}
    if job.due:
        message["eta"] = datetime.fromtimestamp(job.due / 1000, UTC)
    message |= {name: given.pop(name) for name in OPTIONS if name in given}
    limits = given.pop("timelimit", None) or (None, None)
    message["time_limit"], message["soft_time_limit"] = limits
    stamps = given.pop("stamps", {})
    message |= {name: stamps[name] for name in message.get("stamped_headers", ()) if name in stamps}
    if embed:
        message |= {EMBEDDED[name]: value for name, value in embed[0].items() if name in EMBEDDED and value}
    behalf = {header: job.behalf[name] for header, name in ON_BEHALF.items() if job.behalf.get(name)}
    message["headers"] = {**given, **behalf, RESTORED_HEADER: dict(job.fields)}
    return message


def _body(text: str) -> list[Any]:
    try:
        body = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    fits = isinstance(body, list) and len(body) >= 2 and isinstance(body[0], list) and isinstance(body[1], dict)
    return body if fits else []


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
