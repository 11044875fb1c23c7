"""Speaks Celery's way of submitting, for those who do not: one function, and errors of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery.exceptions import OperationalError

from celeriac.queue.errors import LimitExceeded
from celeriac.worker.file import files_of, taken, takes_files
from celeriac.worker.many import Answer, Item, options_of, send_many, unavailable

if TYPE_CHECKING:
    from celeriac.worker.app import CeleryApp

#: Our words for Celery's options.
NAMES = {"delay": "countdown", "run_at": "eta"}


class Sender:
    """Submits jobs through the app's Celery, as `apply_async` would."""

    def __init__(self, celery: CeleryApp) -> None:
        self._celery = celery

    def __call__(
        self,
        task: str,
        kwargs: Mapping[str, Any],
        *,
        args: tuple[Any, ...] = (),
        id: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        delay: float | None = None,
        run_at: datetime | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> str:
        """Submit a job of this Celery name and return its id; it is queued when this returns.

        Raises BrokerUnavailable, QueueFull, TooManyJobs (and Conflict for one that is to run anew): nothing was queued.
        """
        given = {"task_id": id, "queue": queue, "priority": priority, "countdown": delay, "eta": run_at}
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if headers:
            options["headers"] = dict(headers)
        known = self._celery.tasks.get(task)
        try:
            if known is None:
                sent = self._celery.send_task(task, args=args, kwargs=dict(kwargs), **options)
            else:
                sent = known.apply_async(args=args, kwargs=dict(kwargs), **options)
        except (OperationalError, LimitExceeded) as error:
            raise unavailable(error) from error
        return str(sent.id)

    def claim(self, task: str, id: str, arguments: Mapping[str, Any]) -> None:
        """Keep the files among new arguments of a job as long as the job. Raises UnknownFile."""
        known: Any = self._celery.tasks.get(task)
        if takes_files(known):
            taken(known.spec, ((), arguments), files_of(self._celery.settings), "", id)

    def many(self, task: str, items: Iterable[tuple[Mapping[str, Any], str]], **given: Any) -> Iterator[Answer]:
        """Submit a job of this Celery name for each of (arguments, id or '').

        Yield for each its id, or the error for which it was not queued. `given`: queue, priority, delay, run_at,
        headers.
        """
        given = {NAMES.get(name, name): value for name, value in given.items() if value is not None}
        known = self._celery.tasks.get(task)
        those = (Item(kwargs=kwargs, id=id) for kwargs, id in items)
        return send_many(self._celery, task, those, options_of(known) | given)

    def max_retries(self, task: str) -> int | None:
        """Return how often this task is tried again, None when that is unknown or unbounded."""
        known = self._celery.tasks.get(task)
        limit = getattr(known, "max_retries", None)
        return limit if isinstance(limit, int) else None
