"""Time limits that a running job keeps by itself, for pools of Celery that ignore them (threads)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded


@dataclass(slots=True)
class Limits:
    """When the job that runs here must stop; `soft` and `hard` are seconds from now."""

    soft: float | None = None
    hard: float | None = None
    started: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raise when a limit has passed: the soft one once, for the job to clean up, the hard one always."""
        spent = time.monotonic() - self.started
        if self.hard is not None and spent >= self.hard:
            raise TimeLimitExceeded(self.hard)
        if self.soft is not None and spent >= self.soft:
            soft, self.soft = self.soft, None
            raise SoftTimeLimitExceeded(soft)


#: The limits of the job that runs in this thread; absent where Celery's pool enforces them by force.
current_limits: ContextVar[Limits | None] = ContextVar("current_limits", default=None)


def run_limited(target: Callable[..., Any], soft: float | None, hard: float | None, *args: Any, **kwargs: Any) -> Any:
    """Call `target` under limits that its `track()`, `progress()` and `check()` keep."""
    token = current_limits.set(Limits(soft, hard))
    try:
        return target(*args, **kwargs)
    finally:
        current_limits.reset(token)
