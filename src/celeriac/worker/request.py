"""Speaks Celery's Request: tells the table of deliveries what the pool does with them, in the consumer's process."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionWithTraceback
from celery.app.task import Context
from celery.exceptions import Ignore, TimeLimitExceeded, WorkerLostError
from celery.worker import request as celery_request
from celery.worker.state import revoked, task_ready

from celeriac.job import Move
from celeriac.queue.message import LEASE_HEADER
from celeriac.worker.process import process_of
from celeriac.worker.task import JobTask

#: Names in a message's headers that are Celery's own; the others are `task.request.headers`.
CELERYS = {*vars(Context), "lang", "task", "argsrepr", "kwargsrepr", "compression"}
REPLACED = "Replaced by new task"  # what Celery says when other jobs do the work (celery/app/task.py)
CeleryRequest: Any = celery_request.Request  # the stubs lack half of it


def own_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """Return `task.request.headers`; Celery would find them out by asking for each name of its own."""
    return {name: headers[name] for name in headers if name not in CELERYS}


class Request(CeleryRequest):
    """A request whose delivery is leased: begun when the pool accepts it, counted when its process dies."""

    timed_out = False

    def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
        self._fill(message, *args, **kwargs)
        self.table = process_of(self.app).table
        fence = self.token.rpartition(":")[2]
        if fence.isdigit() and int(fence) > 1:  # the record knows better than this worker's memory of an earlier run
            revoked.discard(self.id)

    def _fill(self, message: Any, *args: Any, **kwargs: Any) -> None:
        """Take the body as the consumer has decoded it: the pool need not do it a second time."""
        if not kwargs.get("decoded"):
            kwargs |= {"body": message.payload, "decoded": True}
        super().__init__(message, *args, **kwargs)
        if self._request_dict.get("headers") is None:
            self._request_dict["headers"] = own_headers(message.headers)

    @property
    def token(self) -> str:
        token = self._request_dict.get(LEASE_HEADER)
        return token if isinstance(token, str) else ""

    def revoked(self) -> bool:
        """Whether it must not run; asked on the way to the pool."""
        if self.table is not None:
            self.table.hand(self.token)
        return bool(super().revoked())

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The pool runs it now."""
        self.begin()
        super().on_accepted(pid, time_accepted)

    def begin(self) -> None:
        """From here on it may run, and is not given back when a connection closes.

        A job that acknowledges early keeps its lease as well: with its worker it ends as lost, it is not forgotten.
        """
        if self.table is not None:
            self.table.begin(self.token, once=not self.task.acks_late)

    def is_surplus(self) -> bool:
        """Whether more messages are in hand than its consumer asked for: it was to run at once, and could not."""
        return bool(self.message.channel.qos.is_beyond())

    def give_back(self) -> None:
        """It never began: its message goes back to the head of its queue."""
        self.acknowledged = True
        task_ready(self)
        if self.table is not None:
            self.table.give_up([self.token])
        if not self.message.channel.closed:
            self.message.channel.qos.forget(self.token)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End it by force if it runs; its process may be at another job by now."""
        job = self._apply_result() if self._apply_result is not None else None
        runs = getattr(pool, "runs", None)
        if job is None or runs is None or not job.accepted() or runs(job):
            super().terminate(pool, signal)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Over its hard limit it has failed once, whether the pool tells of the limit first or of the process."""
        if not soft and self.timed_out:
            return
        self.timed_out = self.timed_out or not soft
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """A lost child counts as a lost attempt. Nothing is asked of Redis for that here, which may be away."""
        exc = exc_info.exception
        if isinstance(exc, ExceptionWithTraceback):
            exc = exc.exc
        if isinstance(exc, TimeLimitExceeded):
            if self.timed_out:
                return
            self.timed_out = True
        if isinstance(exc, (WorkerLostError, SystemExit, KeyboardInterrupt)):
            self._note_loss()
        elif isinstance(exc, Ignore) and not isinstance(self.task, JobTask):
            self._note_ignored(str(exc))
        elif isinstance(exc, MemoryError):  # Celery would end the whole worker for it
            exc_info.exception = RuntimeError(f"MemoryError: {exc}")
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _note_loss(self) -> None:
        table = self.table
        if table is not None and not table.closed and self.task.acks_late:
            table.lose(self.token)

    def _note_ignored(self, reason: str) -> None:
        """End a job of another task class than ours: Celery stores nothing for it."""
        backend, request = self.task.backend, self._context
        if reason == REPLACED:
            backend.note_end(request, Move.REPLACE)
        else:
            backend.mark_as_revoked(self.id, f"ignored: {reason}".rstrip(": "), request=request)
