"""Speaks Celery's result format: how the end of an attempt is told in JSON, to Celery's readers and to the record."""

from __future__ import annotations

import json
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from celery import states
from celery.app.task import Context

from celeriac.queue.errors import EncodeError
from celeriac.worker import large
from celeriac.worker.process import settings_of

MESSAGE_LIMIT = 2000  # characters of an error's message that the record keeps
TRACEBACK_LIMIT = 20000
ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode  # `json.dumps` would make one for each text


class MetaMixin:
    """Celery's result as JSON text, bounded; a backend's half."""

    app: Any

    @cached_property
    def _says_more(self) -> bool:
        return bool(self.app.conf.result_extended)

    @cached_property
    def _zone(self) -> tzinfo:
        zone: tzinfo = self.app.timezone
        return zone

    @cached_property
    def _limit(self) -> int:
        return settings_of(self.app).result_limit

    def _get_result_meta(
        self,
        result: Any,
        state: str,
        traceback: Any,
        request: Any,
        format_date: bool = True,
        encode: bool = False,
    ) -> dict[str, Any]:
        """Return what Celery's own method does, which asks the configuration and the time zone anew for every job."""
        if not format_date or encode or self._says_more:
            meta: dict[str, Any] = super()._get_result_meta(result, state, traceback, request, format_date, encode)  # type: ignore[misc]
            return meta
        done = datetime.now(self._zone).isoformat() if state in states.READY_STATES else None
        children = self.current_task_children(request)  # type: ignore[attr-defined]
        meta = {"status": state, "result": result, "traceback": traceback, "children": children, "date_done": done}
        for name, field in (("group_id", "group"), ("parent_id", "parent_id")):
            if request and (value := getattr(request, field, None)):
                meta[name] = value
        return meta

    def meta_of(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> str:
        """Return Celery's result as JSON text. Raises EncodeError: Celery then stores a failure instead."""
        limit = self._limit
        if state == states.SUCCESS and not self._says_more and _is_bare(request):
            text = self._bare(task_id, result)
            if text and len(text) <= limit:
                return text
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        try:
            text = ENCODE(meta)
        except ValueError as error:
            if state == states.SUCCESS:
                raise EncodeError(f"The result is not JSON: {error}") from error
            text = json.dumps(_plain(meta), separators=(",", ":"))
        except TypeError:
            text = self._foreign(meta, request)
        if len(text) <= limit:
            return text
        if state == states.SUCCESS:
            return large.kept(self.app, meta, request, len(text))
        return json.dumps(_plain(meta), separators=(",", ":"))

    def _bare(self, task_id: str, result: Any) -> str:
        """Return the meta of a success that nothing else is to be said of, '' where the result is not plain JSON."""
        try:
            shown = str(result) if type(result) is int else ENCODE(result)
        except (TypeError, ValueError, RecursionError):
            return ""
        done = datetime.now(self._zone).isoformat()
        return (
            f'{{"status":"SUCCESS","result":{shown},"traceback":null,"children":[],'
            f'"date_done":"{done}","task_id":{ENCODE(task_id)}}}'
        )

    def meta_from_decoded(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return Celery's result; a large one is read from its file when somebody looks at it."""
        found: dict[str, Any] = super().meta_from_decoded(meta)  # type: ignore[misc]
        return large.Large(self.app, found) if found.get(large.MARK) else found

    def _foreign(self, meta: dict[str, Any], request: Any) -> str:
        """Encode what only kombu's JSON can carry (dates, decimals, bytes): for Celery's tasks, not for jobs."""
        task = self.app.tasks.get(getattr(request, "task", None))
        if meta["status"] == states.SUCCESS and getattr(task, "celeriac_job", False):
            kind = type(meta["result"]).__name__
            raise EncodeError(f"The result is not JSON: it has type {kind} or holds a value that JSON cannot carry.")
        encoded = self.encode(meta)  # type: ignore[attr-defined]
        return encoded if isinstance(encoded, str) else encoded.decode()


def _is_bare(request: Any) -> bool:
    """Whether the job of this request has neither children nor parent nor group."""
    return type(request) is Context and not (request.__dict__.get("_children") or request.group or request.parent_id)


def kind_of(result: Any) -> str:
    return str(result.get("exc_type", "")) if isinstance(result, dict) else type(result).__name__


def error_of(exc: Any, traceback: Any) -> str:
    """Return what the record keeps of an error, encoded by Celery or not, as JSON."""
    if exc is None:  # a retry that gives no reason
        return ""
    words = exc.get("exc_message") or () if isinstance(exc, dict) else (exc,)
    shown = {"type": kind_of(exc), "message": " ".join(str(word) for word in words)[:MESSAGE_LIMIT]}
    if traceback:
        shown["traceback"] = str(traceback)[-TRACEBACK_LIMIT:]
    return json.dumps(shown)


def _plain(meta: dict[str, Any]) -> dict[str, Any]:
    """Return a failure's or a state's meta in bounded words, where JSON or the limit does not allow it as it is."""
    result = meta["result"]
    if isinstance(result, dict) and "exc_type" in result:
        words = " ".join(str(word) for word in result.get("exc_message") or ())[:MESSAGE_LIMIT]
        result = {**result, "exc_message": [words]}
    else:
        result = repr(result)[:MESSAGE_LIMIT]
    traceback = meta["traceback"] and str(meta["traceback"])[-TRACEBACK_LIMIT:]
    return {**meta, "result": result, "traceback": traceback}
