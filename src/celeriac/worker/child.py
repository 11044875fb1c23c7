"""Speaks billiard's worker: a process of the pool, which runs what it was given and has a permit for.

It tells of each end at once, so that nothing which is done waits for what is not.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from billiard import pool as billiard_pool
from billiard.common import terminate_handler_fired
from billiard.compat import mem_rss
from billiard.einfo import ExceptionInfo
from celery.concurrency import asynpool

from celeriac.worker.line import CHUNK, GIVEN, SAID, Frames

pool: Any = billiard_pool  # the stubs lack half of it
BilliardWorker: Any = asynpool.Worker


class Child(BilliardWorker):
    """What a process of the pool does from its start to its end."""

    def workloop(self, debug: Any = None, now: Callable[[], float] = time.monotonic, pid: int | None = None) -> int:
        """Run what comes until nothing will, or this process is to be replaced; return its exit status."""
        for completed, (number, function, args, kwargs) in enumerate(self._permitted(), 1):
            began = now()
            result, leave = self._run(function, args, kwargs)
            self._tell(number, now() - began, result)
            if leave is not None:
                raise leave
            if self._is_spent(completed):
                return int(pool.EX_RECYCLE)
        return int(pool.EX_OK)

    def _permitted(self) -> Iterator[tuple[int, Callable[..., Any], Any, Any]]:
        """Yield each call that this process may make, with its job's number."""
        given, permits, frames, held = self.inq._reader.fileno(), self.synq._reader.fileno(), Frames(GIVEN), b""
        while True:
            if self._shutdown is not None and self._shutdown.is_set():
                return
            chunk = os.read(given, CHUNK)
            if not chunk:  # the pool is gone
                raise SystemExit(pool.EX_FAILURE)
            for (size, turn, number), call in frames.cut(chunk):
                if not size:
                    return
                if not held:
                    with suppress(BlockingIOError):
                        held = os.read(permits, 1)
                if held != bytes((turn,)):  # taken back; a permit in hand belongs to a call that comes
                    continue
                held = b""
                yield number, *pickle.loads(call)  # of our own pool
                if self._shutdown is not None and self._shutdown.is_set():
                    return

    def _run(
        self, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> tuple[tuple[bool, Any], BaseException | None]:
        """Return what a call comes to, and what ends this process after it is told."""
        try:
            return (True, function(*args, **kwargs)), None
        except BaseException as error:
            if terminate_handler_fired():  # this process was told to end: the job is lost with it, it has not failed
                raise
            leave = error if isinstance(error, SystemExit | KeyboardInterrupt) else None
            return (False, ExceptionInfo()), leave

    def _tell(self, number: int, seconds: float, result: tuple[bool, Any]) -> None:
        try:
            said = pickle.dumps((pool.READY, (number, seconds, result, self.inqW_fd)), pickle.HIGHEST_PROTOCOL)
            if not result[0]:
                pickle.loads(said)  # an error that only this process can read would end the one that hears of it
        except Exception as error:  # noqa: BLE001  # whatever an object raises
            told = ExceptionInfo(
                (pool.MaybeEncodingError, pool.MaybeEncodingError(error, result[1]), sys.exc_info()[2])
            )
            said = pickle.dumps((pool.READY, (number, seconds, (False, told), self.inqW_fd)))
        frame = SAID.pack(len(said)) + said
        out = self.outq._writer.fileno()
        while frame:
            frame = frame[os.write(out, frame) :]

    def _is_spent(self, completed: int) -> bool:
        if self.maxtasks is not None and completed >= self.maxtasks:
            return True
        limit = self.max_memory_per_child or 0  # KiB
        used = mem_rss() if limit else 0
        if used > limit:
            pool.warning(pool.MAXMEM_USED_FMT.format(used, limit))
        return used > limit
