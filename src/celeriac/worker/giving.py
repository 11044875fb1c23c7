"""Which process gets which job, how much goes ahead, and what is taken back. Speaks billiard's results.

1. A job goes to a process without any, or behind others that will be done within `AHEAD` if their tasks are as quick as
   they were. A task that was never seen waits for a process of its own.
2. The first of a process counts as accepted: its time limits begin, and it is the one that a kill is for.
3. What waits behind a job that takes longer than it should is taken back. It goes to another process, or, when none was
   free for `HOLD`, to its queue: it never began.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from billiard import pool as billiard_pool
from billiard.pool import ApplyResult

from celeriac.worker.line import Line
from celeriac.worker.request import Request

AHEAD = 0.01  # seconds of work that may wait in a process
MOST = 32  # jobs that may
LATE = 0.02  # seconds after which the first is taken to be a long one
HOLD = 0.2  # seconds that a job taken back waits for another process
SLOWER = 0.1  # how soon a task that was slow is trusted again: the weight of its last run

pool: Any = billiard_pool  # the stubs lack half of it


class Job(ApplyResult):
    """A call on its way through the pool: what billiard asks of one, without the means to wait for it."""

    call = b""  # pickled
    task = ""
    seconds = AHEAD  # that it will probably take; AHEAD and more: nothing waits behind it
    waiting_since = 0.0
    _done = False
    _terminated = _time_accepted = None
    _callbacks_propagate = ()

    def __init__(self, cache: dict[int, Any], limits: tuple[float | None, float | None], options: Any) -> None:
        self._cache = cache
        self._job: int = next(pool.job_counter)
        self._soft_timeout, self._timeout = limits
        self._callback, self._error_callback = options.get("callback"), options.get("error_callback")
        self._accept_callback, self._timeout_callback = options.get("accept_callback"), options.get("timeout_callback")
        self.correlation_id = options.get("correlation_id")
        self._on_timeout_set = self._on_timeout_cancel = None
        self._lost_worker_timeout = pool.LOST_WORKER_TIMEOUT
        self._accepted = False
        self._worker_pid: int | None = None
        cache[self._job] = self

    def ready(self) -> bool:
        return self._done

    def _set(self, i: Any, result: tuple[bool, Any]) -> None:
        """It has come to this."""
        if self._on_timeout_cancel:
            self._on_timeout_cancel(self)
        self._done = True
        self.discard()
        done, value = result
        self.safe_apply_callback(self._callback if done else self._error_callback, value)

    @property
    def request(self) -> Request | None:
        """The request whose job it is."""
        owner = getattr(self._accept_callback, "__self__", None)
        return owner if isinstance(owner, Request) else None

    def accept(self, pid: int, now: float) -> None:
        """A process has it, and nothing is before it."""
        self._accepted, self._time_accepted, self._worker_pid = True, now, pid
        if self._on_timeout_set:
            self._on_timeout_set(self, self._soft_timeout, self._timeout)
        self.safe_apply_callback(self._accept_callback, pid, now)

    def refuse(self) -> None:
        """It never began there."""
        self._accepted = False
        self._worker_pid = None
        if self._on_timeout_cancel:
            self._on_timeout_cancel(self)


class Giving:
    """The giving half of a pool; see the module's three steps."""

    outbound_buffer: deque[Job]  # what no process has yet
    restart_state: Any
    write_stats: Any
    _state: int
    _hub: Any
    _made: dict[int, Line]  # of every process, by the pipe that it is given jobs through
    _lines: dict[int, Line]  # of those that are up

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._seconds: dict[str, float] = {}  # that a job of each task takes
        self._looks_at = 0.0
        self.room = 0
        super().__init__(*args, **kwargs)

    def on_poll_start(self) -> None:
        """Give what waits to whom it will not wait for long; called on every turn of the event loop."""
        waiting, given = self.outbound_buffer, set()
        late = time.monotonic() - LATE
        while waiting:
            job = waiting[0]
            job.seconds = self._seconds.get(job.task, AHEAD)
            line = self._line_for(job)
            if line is None:
                break
            waiting.popleft()
            if job.waiting_since < late and job.request is not None and job.request.revoked():
                job.discard()
                continue
            line.give(job)
            self.write_stats[line.proc.index] += 1
            given.add(line)
            if len(line.jobs) == 1:
                self._accept(line)
        for line in given:
            self._send(line)
        self._reckon()
        if waiting or given:
            self._look_soon()

    def _line_for(self, job: Job) -> Line | None:
        """Return the process that is to run it: an idle one, or the one that will be there soonest; or none."""
        best = None
        for line in self._lines.values():
            if line.room == 0:
                continue
            if not line.jobs:
                return line
            soon = not line.stuck and line.load + job.seconds < AHEAD and len(line.jobs) < MOST
            if soon and (best is None or line.load < best.load):
                best = line
        return best

    def _send(self, line: Line) -> None:
        """Send now, and the rest when the pipe has room."""
        fd, sent = line.proc.inqW_fd, line.send()
        if sent and line.blocked:
            self._hub.remove_writer(fd)
        elif not sent and not line.blocked:
            self._hub.add_writer(fd, self._send, line)
        line.blocked = not sent

    def _accept(self, line: Line) -> None:
        """The first job of a process is the one that it runs."""
        self.restart_state.R = 0
        line.since, line.stuck = time.monotonic(), False
        line.jobs[0].accept(line.proc.pid, line.since)

    def _reckon(self) -> None:
        """Reckon how many jobs more than there are processes may be here: those that wait in one, or would."""
        waits = self.outbound_buffer and self.outbound_buffer[0].waiting_since < time.monotonic() - LATE
        self.room = 0
        for line in self._lines.values():
            quick = line.jobs and not line.stuck and line.load < AHEAD and not waits
            self.room += MOST - 1 if quick else max(0, len(line.jobs) - 1)

    # -- ended ---------

    def _end(self, number: int, seconds: float, result: Any, fd: int) -> None:
        """A process told of the end of its first job."""
        line = self._made.get(fd)
        if line is None or not line.jobs or line.jobs[0]._job != number:
            return
        job = line.jobs.popleft()
        line.load = line.load - job.seconds if line.jobs else 0.0
        known = self._seconds.get(job.task, 0.0)
        self._seconds[job.task] = seconds if seconds > known else known + SLOWER * (seconds - known)
        if line.jobs:
            self._accept(line)
        if not job.ready():  # over its limit, it was told of already
            job._set(None, result)

    # -- looked after ---------

    def _look_soon(self) -> None:
        now = time.monotonic()
        if now > self._looks_at + 1:  # a lost connection clears the timers
            self._looks_at = now
            self._hub.call_later(LATE, self._look)

    def _look(self) -> None:
        """Take back what waits behind a long job; give to the queue what waited long enough."""
        self._looks_at = 0.0
        if self._state != pool.RUN:
            return
        late = time.monotonic() - LATE
        for line in list(self._lines.values()):
            if len(line.jobs) > 1 and line.since < late and line.read() and line.since < late:
                line.stuck = True
                self._take_back(line)
        self.on_poll_start()
        self._return_what_waited()
        if self.outbound_buffer or any(len(line.jobs) > 1 for line in self._lines.values()):
            self._look_soon()

    def _return_what_waited(self) -> None:
        waiting, long_ago = self.outbound_buffer, time.monotonic() - HOLD
        while waiting and waiting[-1].waiting_since < long_ago:
            request = waiting[-1].request
            if request is None or not request.is_surplus():
                break
            self._forget(waiting.pop())

    def _take_back(self, line: Line) -> None:
        back = line.take_back()
        self._send(line)
        self._wait_again(back)

    def _wait_again(self, jobs: list[Job]) -> None:
        for job in reversed(jobs):
            job.waiting_since = time.monotonic()
            self.outbound_buffer.appendleft(job)
        if self._state != pool.RUN:
            self._forget_waiting()

    def _forget_waiting(self) -> None:
        while self.outbound_buffer:
            self._forget(self.outbound_buffer.pop())

    def _forget(self, job: Job) -> None:
        """It never began: its message goes back."""
        job.discard()
        if job.request is not None:
            job.request.give_back()

    def begin_given(self) -> None:
        """Keep what a process has begun, or is about to; forget the rest."""
        for line in self._lines.values():
            self._take_back(line)
        self._forget_waiting()
        self._reckon()
        for job in [job for line in self._lines.values() for job in line.jobs]:
            if job.request is not None:
                job.request.begin()

    def runs(self, job: Any) -> bool:
        """Return whether a process is at this job now; its next one will not begin in the meantime."""
        line = next((line for line in self._lines.values() if job in line.jobs), None)
        if line is None:
            return False
        self._take_back(line)
        line.read()
        return bool(line.jobs) and line.jobs[0] is job
