"""Speaks billiard's pool: processes that have pipes of their own, and a life that may end at any moment.

Celery's pool starts, replaces and ends them. What it does with pipes that may be used again, and with jobs that were or
were not acknowledged, is done here: a job has begun when its permit is taken (line.py), and no pipe is used twice.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import time
from collections.abc import Callable
from typing import Any

from billiard import pool as billiard_pool
from celery.concurrency import asynpool

from celeriac.worker.child import Child
from celeriac.worker.giving import LATE, MOST, Giving, Job
from celeriac.worker.line import Line

logger = logging.getLogger(__name__)
PAUSE = (1.0, 60.0)  # seconds before another process is started where the machine could not, the first and the longest

pool: Any = billiard_pool  # the stubs lack half of these
celery_pool: Any = asynpool
CeleryPool: Any = celery_pool.AsynPool


class Results(celery_pool.ResultHandler):
    """Hears what the processes say, by the pipes that they are given jobs through."""

    lines: dict[int, Line]

    def _make_process_result(self, hub: Any) -> Callable[[int], None]:
        def readable(fileno: int) -> None:
            proc = self.fileno_to_outq.get(fileno)
            if proc is None or not self.lines[proc.inqW_fd].read():
                hub.remove_reader(fileno)

        return readable

    def _flush_outqueue(self, fd: int, remove: Callable[[int], Any], index: Any, on_state_change: Any) -> None:
        proc = index.get(fd)
        line = self.lines.get(proc.inqW_fd) if proc is not None else None
        if line is not None:
            line.wait(0.1)
        if line is None or not line.read():
            remove(fd)


class Processes(Giving, CeleryPool):
    """The processes of a prefork pool."""

    on_process_down: Callable[[Any], None]
    maintain_pool: Callable[[], None]
    _pool: list[Any]
    _queues: dict[tuple[Any, Any, Any], Any]

    Worker = Child
    ResultHandler = Results

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._made, self._lines = {}, {}
        self._starts_at = self._pause = 0.0
        super().__init__(*args, **kwargs)
        self._task_handler.lines = self._made

    # -- processes ---------

    def create_process_queues(self) -> tuple[Any, Any, Any]:
        """Return the pipes of a new process: what it is given, what it says, and its permits."""
        pipe = celery_pool._SimpleQueue
        return pipe(wnonblock=True), pipe(rnonblock=True), pipe(rnonblock=True, wnonblock=True)

    def get_process_queues(self) -> tuple[Any, Any, Any]:
        """Return pipes that no process has."""
        found: tuple[Any, Any, Any] | None = next((q for q, owner in self._queues.items() if owner is None), None)
        if found is None:
            found = self.create_process_queues()
            self._queues[found] = None
        return found

    def _repopulate_pool(self, exitcodes: Any) -> None:
        """Start what is missing. What the machine cannot give now is tried again: the others run on."""
        if time.monotonic() < self._starts_at:
            return
        try:
            super()._repopulate_pool(exitcodes)
        except OSError as error:
            self._try_later(str(error))

    def _try_later(self, why: str) -> None:
        self._pause = min(max(PAUSE[0], 2 * self._pause), PAUSE[1])
        self._starts_at = time.monotonic() + self._pause
        self._hub.call_later(self._pause + LATE, self.maintain_pool)
        logger.error("A process of the pool cannot be started: %s. Next try in %.0f s.", why, self._pause)

    def _create_worker_process(self, i: int) -> Any:
        others = list(self._pool)
        try:
            proc = super()._create_worker_process(i)
        except OSError:
            for half in [half for half in self._pool if half not in others]:
                self._undo(half)
            raise
        self._made[proc.inqW_fd] = Line(proc, self._hear, self._maxtasksperchild)
        return proc

    def _undo(self, proc: Any) -> None:
        """Forget a process that could not be started; what runs, and would not be heard, is ended and reaped."""
        if proc._popen is not None:
            os.kill(proc.pid, signal.SIGKILL)
            return
        self._pool.remove(proc)
        self._queues.update({queues: None for queues, owner in self._queues.items() if owner is proc})

    def _hear(self, said: Any) -> None:
        self._result_handler.on_state_change(said)

    def create_result_handler(self) -> Any:
        handler = super().create_result_handler()
        handler.lines = self._made
        killed = handler.state_handlers[pool.DEATH]

        def dying(pid: int, exitcode: int) -> None:
            for line in [line for line in self._lines.values() if line.proc.pid == pid]:
                self._retire(line)
            killed(pid, exitcode)

        handler.state_handlers |= {pool.READY: self._end, pool.DEATH: dying}
        return handler

    def on_process_alive(self, pid: int) -> None:
        super().on_process_alive(pid)
        self._pause = 0.0
        for fd, line in self._made.items():
            if line.proc.pid == pid:
                self._lines[fd] = line

    def on_shrink(self, n: int) -> None:
        for line in [line for line in self._lines.values() if line.proc._controlled_termination]:
            self._retire(line)

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        if getattr(proc, "_sentinel_poll", 0) is None:  # it has ended, and the pool has not come to it yet
            del proc._sentinel_poll
        super()._track_child_process(proc, hub)

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        """A process ended. Its status may be known a moment later: Celery would look again after five seconds."""
        if proc in self._waiting_to_start and time.monotonic() >= self._starts_at:  # and so will the next
            self._try_later("it ends at once")
        super()._event_process_exit(hub, proc)
        if proc in self._pool:
            hub.call_later(LATE, self.maintain_pool)

    def _worker_active(self, worker: Any) -> bool:
        line = self._made.get(worker.inqW_fd)
        return line is not None and bool(line.jobs)

    def _retire(self, line: Line) -> None:
        """It ends: what it has not begun goes to others."""
        self._lines.pop(line.proc.inqW_fd, None)
        back = line.take_back(first=True)
        for job in back:
            job.refuse()
        self._wait_again(back)

    def _create_process_handlers(self, hub: Any) -> None:
        super()._create_process_handlers(hub)
        forget: Callable[[Any], None] = self.on_process_down

        def down(proc: Any) -> None:
            forget(proc)
            self._made.pop(proc.inqW_fd, None)
            queues = next((queues for queues, owner in self._queues.items() if owner is proc), None)
            if queues is not None:
                self.destroy_queues(queues, proc)

        self.on_process_down = down

    def _create_write_handlers(self, hub: Any, **_: Any) -> None:
        self._hub, self.hub_remove, self._looks_at = hub, hub.remove, 0.0
        for line in self._lines.values():
            self._send(line)

    def on_inqueue_close(self, fd: int, proc: Any) -> None:
        self._fileno_to_inq.pop(fd, None)
        self._all_inqueues.discard(fd)

    def process_flush_queues(self, proc: Any) -> None:
        """A process is gone: hear its last words; what it never began goes to others, the rest is lost."""
        line = self._made.get(proc.inqW_fd)
        if line is None or proc._is_alive():
            return
        line.read()
        self._retire(line)
        for job in line.jobs:
            if not job._accepted:
                job.accept(proc.pid, time.monotonic())
        line.jobs.clear()

    def on_job_process_down(self, job: Any, pid_gone: int) -> None:
        """Nothing to do: `process_flush_queues` has seen to it."""

    def _process_cleanup_queues(self, proc: Any) -> None:
        """Nothing to do: a process gets pipes of its own."""

    @staticmethod
    def _stop_task_handler(task_handler: Any) -> None:
        """Tell the processes to end after what they have begun."""
        for line in list(task_handler.lines.values()):
            line.end()
            while not line.send() and line.proc._is_alive():
                line.wait(0.1)
                line.read()

    @classmethod
    def _help_stuff_finish(cls, processes: Any) -> None:
        """Nothing to do: what a process has no permit for it does not run."""

    def flush(self) -> None:
        """Forget what no process has: the connection is lost, and what it brought goes back with it."""
        if self._state != pool.TERMINATE:
            self.begin_given()
            self.maintain_pool()

    def close(self) -> None:
        """Take no more, and end after what is begun."""
        if self._state == pool.RUN:
            self.begin_given()
        super().close()

    # -- calls ---------

    def apply_async(self, func: Any, args: Any = (), kwds: Any = None, **options: Any) -> Job | None:
        """Let a process make this call."""
        if self._state != pool.RUN:
            return None
        call = pickle.dumps((func, args, kwds or {}), pickle.HIGHEST_PROTOCOL)
        limits = options.get("soft_timeout") or self.soft_timeout, options.get("timeout") or self.timeout
        job = Job(self._cache, limits, options)
        if any(limits):
            job._on_timeout_set, job._on_timeout_cancel = self.on_timeout_set, self.on_timeout_cancel
            self._start_timeout_handler()
        job.call, job.waiting_since = call, time.monotonic()
        job.task = args[0] if args and isinstance(args[0], str) else ""
        self.outbound_buffer.append(job)
        if len(self.outbound_buffer) >= MOST // 2:
            self.on_poll_start()
        return job

    def _on_soft_timeout(self, job: int, soft: float, hard: float, hub: Any) -> None:
        self.runs(self._cache.get(job))
        super()._on_soft_timeout(job, soft, hard, hub)

    def _on_hard_timeout(self, job: int) -> None:
        self.runs(self._cache.get(job))
        super()._on_hard_timeout(job)
