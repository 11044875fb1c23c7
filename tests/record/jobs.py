"""Jobs that the tests of the record run: each works or says something in a way that a record must tell truthfully."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from celery import current_task, shared_task
from celery.utils.log import get_task_logger

from celeriac import current_job, job, progress, track

logger = get_task_logger(__name__)


def note(ledger: str, word: str = "ran") -> None:
    """Write down outside of Redis what really happened."""
    if ledger:
        with Path(ledger).open("a") as out:
            out.write(f"{word}\n")


@job
def add(x: int, y: int, ledger: str = "") -> int:
    note(ledger)
    return x + y


@job
def talk() -> None:
    """Say something in every way a program can."""
    print("printed")
    print("in ", end="")
    print("pieces")
    print("two\nlines")
    print("to stderr", file=sys.stderr)
    logger.info("by the task's logger, %s", "with arguments")
    logging.getLogger("elsewhere").warning("by another logger")
    warnings.warn("a warning", stacklevel=1)
    print("without an end", end="")


@job
def chatter(lines: int) -> None:
    for i in range(lines):
        print(f"line {i}")


@job
def odd_lines() -> str:
    """Log what might break a careless handler, and what forges lines."""

    class Broken:
        def __str__(self) -> str:
            raise ZeroDivisionError

    logging.getLogger("x").warning("%s", Broken())
    print('forged\n{"t": 1, "l": "error", "m": "not mine"}')
    print("\x1b[31m\udcff \u2028 line separator")
    print("x" * 100_000)
    sys.stdout.buffer.write(b"")
    return f"{sys.stdout.encoding} {bool(sys.stdout.fileno())}"


@job
def steps(count: int, seconds: float, ledger: str = "") -> str:
    """Work in steps, each of which may stop the job."""
    note(ledger, "began")
    for i in track(range(count)):
        print(f"step {i}")
        time.sleep(seconds)
    note(ledger, "ended")
    return "done"


@job
def timed_steps(count: int, seconds: float, ledger: str) -> str:
    """Work in steps; write down how long the longest took beyond its sleep."""
    slowest = 0.0
    for i in track(range(count)):
        began = time.monotonic()
        print(f"step {i}")
        progress(i, count)
        time.sleep(seconds)
        slowest = max(slowest, time.monotonic() - began - seconds)
    note(ledger, f"ended {slowest}")
    return "done"


@job
def reports(seconds: float) -> int:
    """Say and report as often as it can; return how often."""
    until, n = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        current_job.check()
        print(n)
        current_task.update_state(state="PROGRESS", meta={"current": n})
        n += 1
    return n


@job
def told(current: float, total: float) -> None:
    progress(current, total, "Painting the fence")


@job(bind=True)
def own_state(self: Any) -> None:
    """The convention of a hundred tutorials."""
    self.update_state(state="PROGRESS", meta={"current": 3, "total": 10})
    self.update_state(state="PAINTING", meta={"current": 4, "total": 10})
    until_told()


def until_told(seconds: float = 60) -> None:
    """Wait for a cancel, as a job that listens does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        current_job.check()
        time.sleep(0.02)


@job
def listens(ledger: str = "") -> None:
    note(ledger, "began")
    until_told()


@job
def deaf(seconds: float, ledger: str = "") -> str:
    """Ask nobody whether to go on."""
    note(ledger, "began")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.02)
    note(ledger, "ended")
    return "done"


@job(acks_late=False, track_started=True)
def early(seconds: float, ledger: str = "") -> str:
    """Acknowledge before the work: never run twice."""
    note(ledger, "began")
    for _ in track(range(10)):
        time.sleep(seconds / 10)
    return "done"


@job
def pid() -> int:
    return os.getpid()


@job
def total(numbers: list[int], ledger: str = "") -> int:
    note(ledger)
    return sum(numbers)


@shared_task
def plain(x: int) -> int:
    """Celery's own kind of task."""
    print("plain, but heard")
    return x * 2
