"""Jobs that the tests of the record run: each ends in a way of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded

from celeriac import job
from tests.record.jobs import add, note, until_told


@job(bind=True, max_retries=2)
def flaky(self: Any, ledger: str, fails: int, countdown: float = 0.0) -> int:
    note(ledger)
    print(f"attempt {self.request.retries}")
    if self.request.retries < fails:
        raise self.retry(countdown=countdown, exc=ValueError("not yet"))
    return int(self.request.retries)


@job(bind=True, ignore_result=True, max_retries=1)
def unheard(self: Any, ledger: str, how: str) -> str:
    """Nobody wants the result."""
    note(ledger)
    if how == "retry" and not self.request.retries:
        raise self.retry(countdown=0)
    if how == "fail":
        raise ValueError("nobody hears this")
    if how == "slow":
        time.sleep(0.3)  # long enough to be reported as started
    return "nobody reads this"


@job
def gives(kind: str) -> Any:
    """Return what JSON cannot carry, or hardly."""
    value: Any = {
        "bytes": lambda: b"\xff\x00",
        "set": lambda: {1, 2},
        "nan": lambda: [float("nan")],
        "object": object,
        "deep": lambda: deep(2000),
        "keys": lambda: {(1, 2): 3},
        "loop": loop,
    }[kind]()
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def loop() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


class Unpicklable(Exception):
    def __init__(self, lock: Any, words: str) -> None:
        super().__init__(lock, words)

    def __reduce__(self) -> Any:
        raise TypeError("no pickle")


class Unreadable(BaseException):
    """Pickled, it can be made again by nobody; as no Exception it is not Celery's to tell."""

    def __init__(self, lock: object, words: str) -> None:
        super().__init__(words)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even a word")

    __repr__ = __str__


@job
def raises(kind: str) -> None:
    errors: dict[str, Any] = {
        "html": lambda: ValueError("<script>alert(1)</script>"),
        "unpicklable": lambda: Unpicklable(object(), "words"),
        "unreadable": lambda: Unreadable(object(), "words"),
        "unspeakable": Unspeakable,
        "memory": lambda: MemoryError("no more"),
        "nan": lambda: ValueError(float("nan")),
        "bytes": lambda: ValueError(b"\xff\x00"),
        "newline": lambda: ValueError('one\n{"forged": true}'),
        "long": lambda: ValueError("y" * 5_000_000),
    }
    if kind == "recursion":
        return raises.celeriac_function(kind)
    if kind == "exit":
        sys.exit(3)
    raise errors[kind]()


@job
def ignores() -> None:
    raise Ignore("not today")


@job
def ignores_in_half_a_word() -> None:
    """Say what UTF-8 cannot carry."""
    raise Ignore("half of \ud83d")


@job
def rejects(ledger: str, requeue: bool) -> str:
    with Path(ledger).open("a+") as out:
        out.seek(0)
        runs = len(out.readlines())
    note(ledger)
    if runs == 0 or not requeue:
        raise Reject("not me", requeue=requeue)
    return "accepted"


@job(bind=True)
def replaced(self: Any, x: int, queue_after: str) -> Any:
    return self.replace(add.s(x, 1).set(queue=queue_after))


@job(bind=True)
def replaced_by_chain(self: Any, x: int, queue_after: str) -> Any:
    return self.replace(add.s(x, 1).set(queue=queue_after) | add.s(1).set(queue=queue_after))


@job
def dies(ledger: str, times: int = 1_000_000) -> str:
    """Kill its own process, as the kernel does when memory is short."""
    with Path(ledger).open("a+") as out:
        out.seek(0)
        runs = len(out.readlines())
    note(ledger)
    if runs < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"ran {runs + 1} times"


@job(soft_time_limit=0.3, time_limit=20)
def over_soft_limit() -> str:
    try:
        until_told(20)
    except SoftTimeLimitExceeded:
        return "cleaned up"
    return "not limited"


@job(time_limit=1)
def over_hard_limit() -> str:
    until_told(20)
    return "not limited"


@job
def fails(ledger: str = "") -> None:
    note(ledger)
    raise ValueError("as agreed")


@job
def errback(id: str, ledger: str) -> None:
    """Hear of a failure, by link_error."""
    note(ledger, f"heard of {id}")
