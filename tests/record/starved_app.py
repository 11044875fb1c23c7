"""The app of a worker whose machine has no process, pipe, thread or life to give while a file says so."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from celery import signals

from tests.record.jobs_app import celery

__all__ = ["celery"]
T = TypeVar("T")
LACKS = Path(os.environ["STARVED"])  # holds what there is none of


def lacks(what: str) -> bool:
    return LACKS.exists() and LACKS.read_text(encoding="ascii") == what


def scarce(what: str, code: int, call: Callable[[], T]) -> Callable[[], T]:
    """Return a call that fails as the system's own while there is none of it."""

    def ask() -> T:
        if lacks(what):
            raise OSError(code, os.strerror(code))
        return call()

    return ask


class Thread(threading.Thread):
    def start(self) -> None:
        if lacks("threads") and self.name == "celeriac-job":
            raise RuntimeError("can't start new thread")
        super().start()


threading.Thread = Thread  # type: ignore[misc]
os.fork = scarce("processes", errno.EAGAIN, os.fork)
os.pipe = scarce("files", errno.EMFILE, os.pipe)


@signals.worker_process_init.connect(weak=False)
def start(**_: Any) -> None:
    if lacks("life"):
        os._exit(3)
