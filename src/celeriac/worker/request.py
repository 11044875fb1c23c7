"""Speaks Celery's Request: tells the table of deliveries what the pool does with them, in the consumer's process."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import WorkerLostError
from celery.worker import request as celery_request

from celeriac.store import moves
from celeriac.worker.backend import lease_of
from celeriac.worker.process import process_of, space_of

CeleryRequest: Any = celery_request.Request  # the stubs lack half of it


class Request(CeleryRequest):
    """A request whose delivery is leased: begun when the pool accepts it, counted when its process dies."""

    @property
    def token(self) -> str:
        return lease_of(self._context)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The pool runs it now: from here on it is not given back when a connection closes."""
        table = process_of(self.app).table
        if table is not None:
            table.begin(self.token)
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """A lost child counts as a lost attempt, from its start, which the child may not have lived to write."""
        exc = exc_info.exception
        if isinstance(exc, ExceptionWithTraceback):
            exc = exc.exc
        if isinstance(exc, (WorkerLostError, SystemExit, KeyboardInterrupt)):
            self._note_loss()
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _note_loss(self) -> None:
        table = process_of(self.app).table
        if table is None or not self.task.acks_late:
            return
        moves.start(self.task.backend.client, space_of(self.app), self.token, self.hostname, 0.0, "")
        table.lose(self.token)
