"""Celery's threads pool, with limits that a job keeps itself and clear refusals of what threads cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from celery.concurrency.thread import TaskPool

from celeriac.worker.limits import run_limited


class ThreadPool(TaskPool):
    """A thread cannot be killed: a job stops at its next `track()`, `progress()` or `current_job.check()`."""

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **options: Any,
    ) -> Any:
        """Run `target` in a thread; `soft_timeout` and `timeout` (s) start with it, not with its queueing."""
        soft = options.get("soft_timeout") or self.options.get("soft_timeout")
        hard = options.get("timeout") or self.options.get("timeout")
        limited = partial(run_limited, target, soft, hard)
        return super().on_apply(limited, args, kwargs, callback, accept_callback, **options)

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
