"""Speaks Celery's remote control, for those who do not: one function that tells a worker something and hears it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.exceptions import OperationalError

from celeriac.errors import BrokerUnavailable, WorkerSilent

if TYPE_CHECKING:
    from celeriac.worker.app import CeleryApp

PREFIX = "celeriac_"  # of our own commands, which `worker/control.py` answers
PATIENCE = 5.0  # seconds for a worker's answer


class Commander:
    """Tells the workers of an app's Celery."""

    def __init__(self, celery: CeleryApp) -> None:
        self._celery = celery

    def __call__(self, worker: str, command: str, **arguments: Any) -> dict[str, Any]:
        """Return what the worker answered: `ok`, or `error` with a sentence. Raises WorkerSilent, BrokerUnavailable."""
        try:
            replies = self._celery.control.broadcast(
                PREFIX + command, arguments=arguments, destination=[worker], reply=True, timeout=PATIENCE, limit=1
            )
        except OperationalError as error:
            raise BrokerUnavailable("Redis did not take the command.", "Start it, or set BROKER_URL.") from error
        answer = next((reply[worker] for reply in replies or [] if worker in reply), None)
        if not isinstance(answer, dict):
            raise WorkerSilent(
                f"Worker {worker} did not answer within {PATIENCE:.0f} s; it may still do as it was told.",
                "Look whether it lives. A solo pool hears nothing while a job runs.",
            )
        return answer
