"""Speaks Celery's result backend: result, record, journal and acknowledgement of a job in one round trip.

1. Celery's trace calls `store_result` for every state; the states that end an attempt become one `finish` move.
2. `STARTED` is dropped here, `begin` has noted it; `PROGRESS` and other states are reports.
3. A submit opens no subscription: `get()` subscribes when somebody waits.
4. `REVOKED` without a request, as Flower's revoke writes it, asks the job to stop like any other cancel.
5. Whoever waits for a job (its chord, its chain, its errbacks) hears of an end that was accepted, of no other; the
   message of such a job is acknowledged after they heard.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from celery import states
from celery.backends.redis import RedisBackend, SentinelBackend
from celery.utils.serialization import UnpickleableExceptionWrapper, ensure_serializable

from celeriac.job import Move
from celeriac.store import moves
from celeriac.worker.meta import MetaMixin, error_of, kind_of
from celeriac.worker.process import process_of, space_of, writer_of
from celeriac.worker.writer import LOG_CAP, Writer

ENDS = {
    states.SUCCESS: Move.SUCCEED,
    states.FAILURE: Move.FAIL,
    states.RETRY: Move.RETRY,
    states.REVOKED: Move.CANCELLED,
}

#: Errors after which Celery rejects the message, and what the record and the dead letter then say.
DEAD = {"Reject": "rejected", "NotRegistered": "unknown task", "DecodeError": "unreadable message",
        "ContentDisallowed": "unreadable message", "InvalidTaskError": "unreadable message"}  # fmt: skip

#: The job whose end is being told here: whoever waits for it hears of it only if the end is accepted.
_ending: ContextVar[str] = ContextVar("ending", default="")
TOLD = "told:"  # before the id: its end is written, only those who wait have not heard


class Refused(Exception):
    """This end came late, or second: nobody hears of it."""


class RecordMixin(MetaMixin):
    """What our backends add to Celery's."""

    app: Any
    client: Any
    result_consumer: Any
    _pending_results: Any

    @property
    def writer(self) -> Writer:
        return process_of(self.app).writer or writer_of(self.app, self.client)

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Open nothing: most submitters never wait."""

    def remove_pending_result(self, result: Any) -> Any:
        """Let go of a result that nobody waits for any more: at once, where nobody has waited yet."""
        if self.result_consumer._pubsub is None and not any(self._pending_results):
            return result
        return super().remove_pending_result(result)  # type: ignore[misc]

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        stores = _stores(request, store_result)
        if not getattr(request, "chord", None) and state == states.SUCCESS:  # nobody waits to hear of it
            meta = self.meta_of(task_id, self.prepare_value(result), state, None, request) if stores else ""  # type: ignore[attr-defined]
            self._end(task_id, Move.SUCCEED, meta, request, store=stores)
            return
        with _Accepted(task_id):
            if not stores:
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
        with _Accepted(task_id):
            if not store_result:
                error = error_of(self.encode_result(exc, states.FAILURE), traceback)  # type: ignore[attr-defined]
                self._end(task_id, Move.FAIL, "", request, error=error, store=False)
            super().mark_as_failure(task_id, exc, traceback, request, store_result, **kw)  # type: ignore[misc]

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        with _Accepted(task_id):
            if not store_result:
                self._end(task_id, Move.CANCELLED, "", request, reason=reason, store=False)
            super().mark_as_revoked(task_id, reason, request, store_result, state)  # type: ignore[misc]

    def prepare_exception(self, exc: Any, serializer: str | None = None) -> Any:
        """Name an error that pickle refuses by its own type: nothing is pickled here."""
        if not isinstance(exc, UnpickleableExceptionWrapper):
            return super().prepare_exception(exc, serializer)  # type: ignore[misc]
        words = ensure_serializable(list(exc.exc_args or ()), self.encode)  # type: ignore[attr-defined]
        return {"exc_type": exc.exc_cls_name, "exc_message": words, "exc_module": exc.exc_module}

    def note_end(self, request: Any, move: Move) -> None:
        """Record an end of which Celery stores nothing: it was replaced, or is retried and nobody wants to know."""
        self._end(request.id, move, "", request, store=False)

    def hand_on(self, request: Any) -> None:
        """Tell again whoever waits for a job that has ended: its message was found, so they may not have heard.

        Counting a chord's part is idempotent in Celery 5.7, ends of a chain are refused the second time; errbacks are
        called at least once.
        """
        meta = self.get_task_meta(request.id, cache=False)  # type: ignore[attr-defined]
        state = meta["status"]
        if state == states.FAILURE:
            with _Accepted(TOLD + request.id):
                super().mark_as_failure(request.id, meta["result"], request=request)  # type: ignore[misc]
        elif state in states.READY_STATES and request.chord:
            self.on_chord_part_return(request, state, meta["result"])  # type: ignore[attr-defined]

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Store what became of an attempt. Celery would try again what fails here: the writer does so itself."""
        if state == states.STARTED and lease_of(request) and self._begins(request):
            return result
        result = self.encode_result(result, state)  # type: ignore[attr-defined]
        self._store_result(task_id, result, state, traceback, request)
        return result

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        token = lease_of(request)
        meta = self.meta_of(task_id, result, state, traceback, request)
        move = ENDS.get(state)
        if move is None:
            return self._report(task_id, token, result, meta, state, request)
        if move is Move.CANCELLED and request is None:
            moves.cancel(self.client, space_of(self.app), task_id, "revoked", meta)
            return result
        error = reason = ""
        if move in (Move.FAIL, Move.RETRY):
            error = error_of(result, traceback)
            reason = DEAD.get(kind_of(result), "") if move is Move.FAIL else ""
        elif move is Move.CANCELLED:
            reason = " ".join(map(str, result.get("exc_message", ()))) if isinstance(result, dict) else str(result)
        self._end(task_id, move, meta, request, error=error, reason=reason)
        return result

    def _begins(self, request: Any) -> bool:
        """Return whether the task notes its own start; one that is not made by our app does not."""
        return getattr(self.app.tasks.get(getattr(request, "task", None)), "notes_its_start", False)

    def _report(self, task_id: str, token: str, result: Any, meta: str, state: str, request: Any) -> Any:
        shown = result if isinstance(result, dict) else {"status": str(result)}
        words = json.dumps({"state": state, **shown}, default=str)
        if not token:
            super()._store_result(task_id, result, state)  # type: ignore[misc]  # a state set from outside a job
        elif self.writer.find(token) is not None:
            self.writer.progress(token, words, meta)
        else:
            space, worker = space_of(self.app), getattr(request, "hostname", None) or ""
            moves.start(self.client, space, token, worker, 0.0, meta if state == states.STARTED else "")
            if state != states.STARTED:
                moves.report(self.client, space, LOG_CAP, [moves.Report(token, words, meta)])
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
        ending = _ending.get()
        if ending and ending == TOLD + task_id:
            return
        token = lease_of(request)
        owner, _, fence = token.rpartition(":")
        if owner != task_id:  # a failure handed on to a job that was never published
            token, fence = "", "0"
        worker = getattr(request, "hostname", None) or ""
        awaited = _is_awaited(request, move) or (bool(reason) and reason in DEAD.values())
        end = moves.Finish(
            task_id, move, int(fence or 0), meta, 0.0, worker, error, reason, bool(token) and not awaited, store
        )
        outcome = self.writer.end(end, token, at_once=awaited or not token)
        if (outcome in ("done", "late") or outcome.startswith("!")) and ending == task_id:
            raise Refused(outcome)


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


def _is_awaited(request: Any, move: Move) -> bool:
    """Return whether others must hear of this end before the message may be forgotten."""
    if move is Move.RETRY:
        return False
    if getattr(request, "chord", None):
        return True
    return move is Move.FAIL and bool(getattr(request, "chain", None) or getattr(request, "errbacks", None))


class _Accepted:
    """Leaves off when the end of this job is refused."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id

    def __enter__(self) -> None:
        self._reset = _ending.set(self._task_id)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        _ending.reset(self._reset)
        return kind is Refused
