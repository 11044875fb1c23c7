"""Celery's threads pool, with limits that a job keeps itself and clear refusals of what threads cannot."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, NoReturn

from celery.concurrency.base import BasePool, apply_target
from celery.concurrency.thread import TaskPool

from celeriac.worker.limits import run_limited

logger = logging.getLogger(__name__)


class Threads:
    """At most `size` threads with one queue. No job is asked for its outcome here, so none is given a future."""

    def __init__(self, size: int) -> None:
        self.size, self.load = size, 0
        self._threads: list[threading.Thread] = []
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], None]) -> None:
        """Run it soon, on a new thread when all others are busy."""
        with self._lock:
            self.load += 1
            if len(self._threads) < min(self.load, self.size):
                self._start()
        self._given.put(work)

    def _start(self) -> None:
        """Start one more thread. Where the machine has none to give, those that there are run everything."""
        thread = threading.Thread(target=self._run, name="celeriac-job", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._threads:
                raise
            logger.error("No thread can be started, %d run all jobs: %s", len(self._threads), error)
        else:
            self._threads.append(thread)

    def shutdown(self) -> None:
        """Run what was given, then end all threads."""
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join()

    def __len__(self) -> int:
        return len(self._threads)

    def _run(self) -> None:
        while (work := self._given.get()) is not None:
            try:
                work()
            except BaseException:  # its job is told of by Celery, the others need this thread
                logger.exception("A thread goes on after a mistake in what surrounds a job.")
            with self._lock:
                self.load -= 1


class ThreadPool(TaskPool):
    """A thread cannot be killed: a job stops at its next `track()`, `progress()` or `current_job.check()`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.threads = Threads(self.limit)

    def on_stop(self) -> None:
        """Wait for what was given."""
        self.threads.shutdown()

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        """Run `target` in a thread; `soft_timeout` and `timeout` (s) start with it, not with its queueing."""
        soft = options.get("soft_timeout") or self.options.get("soft_timeout")
        hard = options.get("timeout") or self.options.get("timeout")
        if soft or hard:
            target = partial(run_limited, target, soft, hard)
        self.threads.submit(partial(apply_target, target, args, kwargs, callback, accept_callback))

    def _get_info(self) -> Any:
        base: dict[str, Any] = BasePool._get_info(self)  # type: ignore[attr-defined]
        return {**base, "max-concurrency": self.limit, "threads": len(self.threads)}

    def terminate_job(self, pid: int, signal: int | None = None) -> NoReturn:
        """Refuse: by now the job is marked as revoked, which it notices by itself."""
        raise NotImplementedError(
            "The threads pool cannot stop a job by force; it stops at its next track(), progress(), check()."
        )

    def grow(self, n: int = 1) -> NoReturn:
        """Refuse with the remedy."""
        raise NotImplementedError("The threads pool has a fixed size: start the worker with another --concurrency.")

    def shrink(self, n: int = 1) -> NoReturn:
        """Refuse with the remedy."""
        raise NotImplementedError("The threads pool has a fixed size: start the worker with another --concurrency.")
