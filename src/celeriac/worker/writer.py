"""Writes what jobs do into the record, in groups: starts, progress, log lines, ends.

1. `begin` notes a start; a tiny job ends before it is written, and its start travels with its end.
2. `say` and `progress` are buffered and written at most every 50 ms, in one pipeline for all jobs of the process.
3. `end` is written at once: by this thread of its own, together with all that wait with it (`grouped`). A child of the
   prefork pool hands it to its parent's writer (`handed`, see prefork.py), or writes it itself where others await it.
4. The replies tell which jobs were asked to stop, or are not ours any more: `check` raises in them.

While Redis is away everything waits here: ends are kept until they are written, log lines are dropped beyond a bound.
What it refuses for the keys of one job alone comes back as '!' and a reason: that is told, and does not wait.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celeriac.errors import JobCancelled
from celeriac.store import moves
from celeriac.store.batch import Batch
from celeriac.store.clients import RedisError
from celeriac.store.wire import wired
from celeriac.worker.running import INTERVAL, Interval, Running

logger = logging.getLogger(__name__)

PACE = 0.05  # seconds between two reports
QUIET = 0.005  # seconds without another end, after which one is written by its own thread: nothing would join it
ALERT = 1.0  # seconds after the last end for which the writer's thread stays awake
POLL = 1.0  # seconds between two looks at whether a silent job was cancelled
REPORTS = 250  # a second of one process: more than that, and reporting would take the time of other jobs
LINES = 500  # lines of one job that may wait for the next report
LOG_CAP = 1000  # lines of one job that Redis keeps


#: What a job said since its last report, and how it ended.
Ended = tuple[moves.Report | None, moves.Finish]


class Writer:
    """One per process and app. `finished` is told the token of every end that carries its acknowledgement."""

    def __init__(self, client: Any, space: moves.Space, grouped: bool) -> None:
        self.client, self.space, self.grouped = wired(client), space, grouped
        self.finished: Callable[[str], None] = lambda token: None
        self._running: dict[str, Running] = {}
        self._ends: list[Ended] = []
        self._wake = threading.Condition()
        self._pipe = threading.Lock()  # one pipeline at a time: a report never overtakes an end, nor it a report
        self._thread: threading.Thread | None = None
        self._polled = 0.0
        self._interval = Interval()
        self._ended = 0.0  # when the last job ended
        self._idle = False  # the thread sleeps until somebody begins or ends
        self.handed: list[Ended] | None = None
        self._closed_at: float | None = None  # monotonic: until then the last writes are tried

    # -- called by jobs ---------

    def begin(self, token: str, worker: str, tracked: bool, through: bool, once: bool = False) -> Running:
        """Note that an attempt starts; `through` writes it before user code runs. Raises JobCancelled.

        `once`: this attempt is never repeated, its loss ends the job.
        """
        running = Running(token, worker, time.monotonic(), tracked, self._interval)
        if through or once:
            verdict = self._insist(
                lambda: moves.start(self.client, self.space, token, worker, 0.0, running.meta(), once)
            )
            if verdict.startswith("!"):
                logger.error("The start of job %s cannot be written: %s", running.id, verdict[1:])
            elif verdict != "ok":
                raise JobCancelled("The job was cancelled." if verdict == "cancelled" else "The lease ran out.")
            running.started = True
        with self._wake:
            self._running[token] = running
            self._ensure_thread()
            if self._idle:
                self._wake.notify()
        return running

    def say(self, running: Running, line: str) -> None:
        """Add a line to the job's log."""
        with self._wake:
            if len(running.lines) < LINES:
                running.lines.append(line)
            else:
                running.dropped += 1

    def progress(self, token: str, progress: str, meta: str) -> None:
        """Note how far the job is; only the latest of one report is written."""
        with self._wake:
            running = self._running.get(token)
            if running is not None:
                running.progress, running.progress_meta = progress, meta

    def end(self, end: moves.Finish, token: str, at_once: bool = False) -> str:
        """Write the end of an attempt: result, record and acknowledgement in one move.

        Returns `ok`, `done` (it had ended before), `late`, or '!' and why it cannot be written, and is a dead letter;
        '' when it is written soon, unless `at_once`.
        """
        now = time.monotonic()
        with self._wake:
            running = self._running.pop(token, None)
            report = None
            if running is not None:
                end.ago = now - running.since
                report = None if running.silent else running.report()
            if self.grouped and end.acknowledge:
                self.finished(token)
            before, self._ended = self._ended, now
            if self.grouped and not at_once and (self._ends or self._pipe.locked() or now - before < QUIET):
                self._enqueue((report, end))
                return ""
        if self.grouped and not at_once:
            return self._write_now((report, end))
        if self.handed is not None and not at_once:
            if running is not None and running.writing:
                with self._pipe:  # what the job said before is there before its end, which the parent writes
                    pass
            self.handed.append((report, end))
            return ""
        return self.write((report, end))

    def _write_now(self, ended: Ended) -> str:
        """Write an end that is alone from the thread that comes with it; where Redis is away, it waits as others do."""
        try:
            return self._write([], [ended])[0]
        except (RedisError, OSError):
            with self._wake:
                self._enqueue(ended)
            return ""

    def take(self, ended: Ended) -> None:
        """Write soon what a child of the pool finished."""
        self.finished(ended[1].token)
        with self._wake:
            self._enqueue(ended)

    def write(self, ended: Ended) -> str:
        """Write an end now and return its outcome."""
        tried = itertools.count()
        outcomes = self._insist(lambda: (next(tried), self._write([], [ended]))[1])
        # when the first reply was lost, what had ended before is this very end
        return "ok" if outcomes == ["done"] and next(tried) > 1 else str(outcomes[0])

    def leave(self, token: str) -> None:
        """Write the start and the last words of an attempt whose end is told by others, or by nobody."""
        with self._wake:
            running = self._running.pop(token, None)
        if running is not None and not (running.started and running.silent):
            self._insist(lambda: self._write([running], []))

    def stop(self, token: str, why: str) -> None:
        """Tell a job of this process to stop at its next check."""
        running = self._running.get(token)
        if running is not None and not running.stop:
            running.stop = why

    def find(self, token: str) -> Running | None:
        return self._running.get(token)

    @property
    def closed(self) -> bool:
        return self._closed_at is not None

    def close(self, deadline: float) -> None:
        """Write what waits, for at most `deadline` seconds."""
        limit = time.monotonic() + deadline
        with self._wake:
            self._closed_at = limit
            self._wake.notify()
            thread = self._thread
        while thread is not None and thread.is_alive() and time.monotonic() < limit:
            time.sleep(0.01)

    # -- the thread ---------

    def _enqueue(self, ended: Ended) -> None:
        self._ends.append(ended)
        self._ensure_thread()
        if len(self._ends) == 1:  # the thread has been told of the others
            self._wake.notify()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="celeriac-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._write_on()
        finally:
            with self._wake:
                self._thread = None

    def _write_on(self) -> None:
        """Write what is new; after `close` what is left, then end."""
        last = False
        while not last:
            with self._wake:
                if not (self._ends or self.closed):
                    self._idle = not self._running and time.monotonic() - self._ended > ALERT
                    self._wake.wait(None if self._idle else PACE)
                    self._idle = False
                ends, self._ends = self._ends, []
                fresh, last = self._due(), self.closed
            if ends or fresh:
                try:
                    self._insist(lambda: self._write(fresh, ends))  # noqa: B023  (called before the loop goes on)
                except (RedisError, OSError):
                    logger.error("Redis stays away: the ends of %d jobs are not written, they run again.", len(ends))

    def _due(self) -> list[Running]:
        """Choose the jobs to report for: those with news older than the pace, and now and then the silent ones."""
        now = time.monotonic()
        poll = now - self._polled >= POLL
        if poll:
            self._polled = now
            lately = now - 2 * self._interval.seconds - POLL
            reporting = sum(running.reported > lately for running in self._running.values())
            self._interval.seconds = max(INTERVAL, reporting / REPORTS)
        return [r for r in self._running.values() if now - r.since >= PACE and (poll or not r.started or not r.silent)]

    def _insist(self, write: Callable[[], Any]) -> Any:
        """Call until Redis takes it: what a job did is not thrown away."""
        pause = 0.05
        while True:
            try:
                return write()
            except (RedisError, OSError) as error:
                if pause < 0.1:
                    logger.warning("The record cannot be written, trying on: %s", error)
                if self._closed_at is not None and time.monotonic() + pause >= self._closed_at:
                    raise
                time.sleep(pause)
                pause = min(1.0, pause * 2)

    def _write(self, fresh: list[Running], ends: list[Ended]) -> list[str]:
        """Write starts, reports and ends in one pipeline; return the outcome of each end."""
        with self._pipe:
            now = time.monotonic()
            starts = [(r, now - r.since) for r in fresh if not r.started]
            with self._wake:
                reports = [r.report() for r in fresh] + [report for report, _ in ends if report is not None]
            batch = Batch(
                starts=[(r.token, r.worker, ago, r.meta()) for r, ago in starts],
                reports=reports, cap=LOG_CAP, ends=[end for _, end in ends],
            )  # fmt: skip
            try:
                verdicts, stopped, outcomes = batch.write(self.client, self.space)
            except BaseException:
                self._keep(fresh, reports)
                raise
        for (running, _), verdict in zip(starts, verdicts, strict=True):
            running.started = True
            if verdict.startswith("!"):
                logger.error("The start of job %s cannot be written: %s", running.id, verdict[1:])
            elif verdict != "ok":
                running.stop = running.stop or ("cancelled" if verdict == "cancelled" else "lease lost")
        for token in stopped:
            if token.startswith("!"):
                logger.error("What a job said cannot be written: %s", token[1:])
            else:
                self.stop(token, "cancelled")
        for (_, end), outcome in zip(ends, outcomes, strict=True):
            _tell_refused(end, outcome)
        return outcomes

    def _keep(self, fresh: list[Running], reports: list[moves.Report]) -> None:
        """Put back what could not be written; beyond the bound, lines are dropped and counted."""
        with self._wake:
            for running, report in zip(fresh, reports, strict=False):
                lines = [*report.lines, *running.lines]
                running.lines, over = lines[:LINES], max(0, len(lines) - LINES)
                running.dropped += report.dropped + over
                if not running.progress:
                    running.progress, running.progress_meta = report.progress, report.meta


def _tell_refused(end: moves.Finish, outcome: str) -> None:
    if outcome == "late":
        logger.warning("The result of job %s came too late: it is another worker's by now, or forgotten.", end.id)
    elif outcome.startswith("!"):
        logger.error("The end of job %s cannot be written, it is a dead letter: %s", end.id, outcome[1:])
