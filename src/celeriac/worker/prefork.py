"""Speaks Celery's prefork pool: a child hands the end of an ordinary job to its parent, which writes it in groups.

1. In a child, `traced` surrounds Celery's tracer: what `Writer.end` hands over travels back with the return value.
2. In the parent, the pool takes it out before Celery sees the value, and its writer writes it with others that wait.
3. A child or a parent that dies on the way is a lost attempt like any other: nothing was acknowledged yet.

An end that others await (chord, chain, errbacks) and a failure are written by the child itself.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from celery import signals
from celery.app.trace import trace_ok_t
from celery.concurrency.prefork import TaskPool

from celeriac.job import Move
from celeriac.store.moves import Finish, Report
from celeriac.worker.process import writer_of
from celeriac.worker.processes import Processes
from celeriac.worker.writer import Ended


class Carried(str):
    """The text of a return value, as Celery logs and shows it, with the job's end beside it."""

    __slots__ = ("ended",)
    ended: Ended

    def __reduce__(self) -> tuple[Any, ...]:
        report, end = self.ended
        return unpickled, (str(self), report, end.move.value, _others(end))


#: The fields of an end but its move: pickle takes four times as long for the object itself.
_others = attrgetter("id", "fence", "meta", "ago", "worker", "error", "reason", "acknowledge", "store")


def unpickled(text: str, report: Report | None, move: str, others: tuple[Any, ...]) -> Carried:
    """Return what a child sent."""
    id, *rest = others
    return carried(text, (report, Finish(id, Move(move), *rest)))


def carried(text: str, ended: Ended) -> Carried:
    """Put an end beside a text."""
    both = Carried(text)
    both.ended = ended
    return both


class ForkPool(TaskPool):
    """Celery's prefork pool, whose parent writes what its children finished."""

    Pool = Processes
    uses_semaphore = False  # more jobs than processes may be in it
    _pool: Processes | None = None

    def on_start(self) -> None:
        super().on_start()
        apply_async: Callable[..., Any] = self.on_apply

        def apply(*args: Any, callback: Callable[[Any], Any], **options: Any) -> Any:
            return apply_async(*args, callback=self._taking(callback), **options)

        self.on_apply = apply  # type: ignore[method-assign]  # as Celery itself does

    def begin_given(self) -> None:
        """Keep the jobs that a child has begun, or is about to; what waits goes back with its message."""
        if isinstance(self._pool, Processes):
            self._pool.begin_given()

    def room(self) -> int:
        """Return how many jobs more than there are processes may come."""
        return self._pool.room if isinstance(self._pool, Processes) else 0

    def runs(self, job: Any) -> bool:
        """Return whether a process is at this job now."""
        return not isinstance(self._pool, Processes) or self._pool.runs(job)

    def _taking(self, callback: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def done(result: Any) -> None:
            failed, value, runtime = result
            if isinstance(value, Carried):
                writer_of(self.app).take(value.ended)
                result = failed, str(value), runtime
            callback(result)

        return done


def install(app: Any) -> None:
    """Let the children of this app's pools hand over."""

    def surround(**_: Any) -> None:
        for task in app.tasks.values():
            task.__trace__ = traced(app, task.__trace__)

    signals.worker_process_init.connect(surround, weak=False, dispatch_uid=f"celeriac-prefork-{id(app)}")


def traced(app: Any, trace: Callable[..., Any]) -> Callable[..., Any]:
    """Return Celery's tracer of a task, whose successes carry their end."""

    def run(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        writer = writer_of(app)
        handed: list[Ended] = []
        writer.handed = handed
        try:
            retval, info, runtime, text = trace(uuid, args, kwargs, request)
            if handed and info is None:
                text = carried(text or "", handed.pop())
        finally:
            writer.handed = None
            for ended in handed:
                writer.write(ended)
        return trace_ok_t(retval, info, runtime, text)

    return run
