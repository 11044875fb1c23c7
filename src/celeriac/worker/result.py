"""Speaks Celery's results: what a submit answers, made cheaply; what only waiting needs is made by who waits."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from celery import result
from vine import promise


class AsyncResult(result.AsyncResult[Any]):
    """Celery's promise of a result."""

    def __init__(
        self, id: str, backend: Any = None, task_name: str | None = None, app: Any = None, parent: Any = None
    ) -> None:
        if id is None:
            raise ValueError("AsyncResult requires valid id, not None")
        self.app = app or self.app
        self.id, self.backend, self.parent = id, backend or self.app.backend, parent
        self._cache, self._ignored = None, False

    @cached_property
    def on_ready(self) -> Any:  # type: ignore[override]  # Celery's is made by its __init__
        """What is called when the result is there."""
        return promise(self._on_fulfilled, weak=True)  # type: ignore[attr-defined]  # missing in the stubs
