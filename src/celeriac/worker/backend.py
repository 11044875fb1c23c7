"""Speaks Celery's result backend: result, record, journal and acknowledgement of a job in one round trip.

1. Celery's trace calls `store_result` for every state; the states that end an attempt become one `finish` move.
2. `STARTED` is dropped here, `begin` has noted it; `PROGRESS` and other states are reports.
3. A submit opens no subscription: `get()` subscribes when somebody waits.
4. `REVOKED` without a request, as Flower's revoke writes it, asks the job to stop like any other cancel.
"""

from __future__ import annotations

import json
from typing import Any

from celery import states
from celery.backends.redis import RedisBackend, SentinelBackend

from celeriac.job import Move
from celeriac.queue.errors import EncodeError
from celeriac.store import moves
from celeriac.worker.process import settings_of, space_of, writer_of
from celeriac.worker.writer import Writer

ENDS = {
    states.SUCCESS: Move.SUCCEED,
    states.FAILURE: Move.FAIL,
    states.RETRY: Move.RETRY,
    states.REVOKED: Move.CANCELLED,
}
MESSAGE_LIMIT = 2000  # characters of an error's message that the record keeps
TRACEBACK_LIMIT = 20000


class RecordMixin:
    """What our backends add to Celery's."""

    app: Any
    client: Any

    @property
    def writer(self) -> Writer:
        return writer_of(self.app, self.client)

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Open nothing: most submitters never wait."""

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        if not _stores(request, store_result):
            self._end(task_id, Move.SUCCEED, "", request, store=False)
        super().mark_as_done(task_id, result, request, store_result, state)  # type: ignore[misc]

    def mark_as_failure(
        self,
        task_id: str,
        exc: Any,
        traceback: Any = None,
        request: Any = None,
        store_result: bool = True,
        **kw: Any,
    ) -> None:
        if not store_result:
            self._end(task_id, Move.FAIL, "", request, error=_error(exc, traceback), store=False)
        super().mark_as_failure(task_id, exc, traceback, request, store_result, **kw)  # type: ignore[misc]

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        if not store_result:
            self._end(task_id, Move.CANCELLED, "", request, reason=reason, store=False)
        super().mark_as_revoked(task_id, reason, request, store_result, state)  # type: ignore[misc]

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        token = lease_of(request)
        if state == states.STARTED and token:
            return result
        meta = self._meta(task_id, result, state, traceback, request)
        move = ENDS.get(state)
        if move is None:
            return self._report(task_id, token, result, meta, state)
        if move is Move.CANCELLED and request is None:
            moves.cancel(self.client, space_of(self.app), task_id, "revoked", meta)
            return result
        error = reason = ""
        if move in (Move.FAIL, Move.RETRY):
            error = _error(result, traceback)
        elif move is Move.CANCELLED:
            reason = " ".join(map(str, result.get("exc_message", ()))) if isinstance(result, dict) else str(result)
        self._end(task_id, move, meta, request, error=error, reason=reason)
        return result

    def _meta(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> str:
        """Return Celery's result as JSON text. Raises EncodeError: Celery then stores a failure instead."""
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)  # type: ignore[attr-defined]
        meta["task_id"] = task_id
        try:
            text = json.dumps(meta, allow_nan=False, separators=(",", ":"))
        except ValueError as error:
            raise EncodeError(f"The result is not JSON: {error}") from error
        except TypeError:
            text = self._foreign(meta, request)
        limit = settings_of(self.app).result_limit
        if len(text) > limit and state == states.SUCCESS:
            raise EncodeError(f"The result has {len(text)} bytes, more than CELERIAC_RESULT_LIMIT={limit}.")
        return text

    def _foreign(self, meta: dict[str, Any], request: Any) -> str:
        """Encode what only kombu's JSON can carry (dates, decimals, bytes): for Celery's tasks, not for jobs."""
        task = self.app.tasks.get(getattr(request, "task", None))
        if meta["status"] == states.SUCCESS and getattr(task, "celeriac_job", False):
            kind = type(meta["result"]).__name__
            raise EncodeError(f"The result is not JSON: it has type {kind} or holds a value that JSON cannot carry.")
        encoded = self.encode(meta)  # type: ignore[attr-defined]
        return encoded if isinstance(encoded, str) else encoded.decode()

    def _report(self, task_id: str, token: str, result: Any, meta: str, state: str) -> Any:
        if token:
            shown = result if isinstance(result, dict) else {"status": str(result)}
            self.writer.progress(token, json.dumps({"state": state, **shown}, default=str), meta)
        else:
            super()._store_result(task_id, result, state)  # type: ignore[misc]  # a state set from outside a job
        return result

    def _end(
        self,
        task_id: str,
        move: Move,
        meta: str,
        request: Any,
        *,
        error: str = "",
        reason: str = "",
        store: bool = True,
    ) -> None:
        token = lease_of(request)
        owner, _, fence = token.rpartition(":")
        if owner != task_id:  # a failure handed on to a job that was never published
            token, fence = "", "0"
        worker = getattr(request, "hostname", None) or ""
        self.writer.end(
            moves.Finish(task_id, move, int(fence or 0), meta, 0.0, worker, error, reason, bool(token), store),
            token,
        )


class Backend(RecordMixin, RedisBackend):  # type: ignore[misc]
    """Celery's Redis backend with the record."""


class Sentinel(RecordMixin, SentinelBackend):  # type: ignore[misc]
    """The same over Sentinel."""


def lease_of(request: Any) -> str:
    """Return the token of the delivery that this request came with, or ''."""
    token = getattr(request, "celeriac_lease", None)
    return token if isinstance(token, str) else ""


def _stores(request: Any, store_result: bool) -> bool:
    return store_result and not (request and getattr(request, "ignore_result", False))


def _error(exc: Any, traceback: Any) -> str:
    if exc is None:  # a retry that gives no reason
        return ""
    if isinstance(exc, dict):
        kind, message = str(exc.get("exc_type")), " ".join(str(a) for a in exc.get("exc_message") or ())
    else:
        kind, message = type(exc).__name__, str(exc)
    shown = {"type": kind, "message": message[:MESSAGE_LIMIT]}
    if traceback:
        shown["traceback"] = str(traceback)[-TRACEBACK_LIMIT:]
    return json.dumps(shown)
