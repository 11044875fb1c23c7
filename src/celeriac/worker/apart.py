"""Speaks billiard: what a worker with a pool of processes does in one more, since its main process has its hands full.

1. It is forked before the pool and its threads: it holds none of the pool's pipes, and no thread's half.
2. It ends with the worker, however that ends. Should it end before, a thread of the worker goes on (beside.py).
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from billiard import get_context
from celery import bootsteps

from celeriac.queue import native
from celeriac.worker.prefork import ForkPool

GRACE = 2.0  # seconds for the present step, then it ends as it is
LOOK = 0.1  # seconds between two looks whether the worker lives
fork: Any = get_context("fork")  # the stubs lack half of it


class Apart(bootsteps.StartStopStep):
    """Begins what `app.apart` makes while the worker is put together; ends it with the worker."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        self.running: list[Any] = []
        super().__init__(worker, **kwargs)

    def include_if(self, worker: Any) -> bool:
        return issubclass(worker.pool_cls, ForkPool)

    def create(self, worker: Any) -> None:
        """Start everything. What is there by now is kept from the collector of garbage, which writes into each object:
        so it stays shared by all processes, those of the pool, too."""
        gc.collect()
        gc.freeze()
        for makes in worker.app.apart:
            make = makes()
            if make is not None:
                process = fork.Process(target=_run, args=(make, os.getpid()), daemon=True)
                process.start()
                self.running.append(process)

    def start(self, worker: Any) -> None:
        """Nothing to do: it is at work."""

    def stop(self, worker: Any) -> None:
        """End everything, by force after its grace."""
        for process in self.running:
            process.terminate()
        until = time.monotonic() + GRACE
        while self.running:
            process = self.running.pop()
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                process.join()

    def terminate(self, worker: Any) -> None:
        """End everything when the worker stops in a hurry, too."""
        self.stop(worker)


def _run(make: Callable[[], Any], parent: int) -> None:
    work = make()

    def stop(*_: Any) -> None:
        work.stopping = True

    for ignored in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all; the worker tells what concerns us
        signal.signal(ignored, signal.SIG_IGN)
    for told in (signal.SIGTERM, signal.SIGQUIT):  # the latter where Celery's REMAP_SIGTERM says so
        signal.signal(told, stop)
    native.start(lambda: _watch(work, parent))
    work.run()


def _watch(work: Any, parent: int) -> None:
    """End this process soon after its parent, whatever it does then."""
    while os.getppid() == parent:
        native.sleep(LOOK)
    work.stopping = True
    native.sleep(GRACE)
    os._exit(1)
