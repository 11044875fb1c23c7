"""Speaks Celery's bootsteps: what a worker's main process does beside its jobs, on threads of its own."""

from __future__ import annotations

from typing import Any

from celery import bootsteps


class Beside(bootsteps.StartStopStep):
    """Starts what `app.beside` names once the pool stands, so that no child inherits a thread's half; ends it last."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        self.running: list[Any] = []
        super().__init__(worker, **kwargs)

    def start(self, worker: Any) -> None:
        """Start everything."""
        self.running = [started for start in worker.app.beside if (started := start()) is not None]

    def stop(self, worker: Any) -> None:
        """End everything, the last one first."""
        while self.running:
            self.running.pop().stop()

    def terminate(self, worker: Any) -> None:
        """End everything when the worker stops in a hurry, too."""
        self.stop(worker)
