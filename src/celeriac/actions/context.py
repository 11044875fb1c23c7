"""What an app gives to those who act on its jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from celeriac.errors import CeleriacError
from celeriac.registry import Registry
from celeriac.store.moves import Space


class Send(Protocol):
    """Submits a job by its Celery name and returns its id.

    Raises BrokerUnavailable, QueueFull, TooManyJobs: nothing was queued.
    """

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
    ) -> str: ...

    def many(
        self, task: str, items: Iterable[tuple[Mapping[str, Any], str]], **given: Any
    ) -> Iterator[str | CeleriacError]:
        """Do so for each of (arguments, id or ''); yield its id, or why it was not queued."""


class Command(Protocol):
    """Tells a worker something and returns its answer. Raises WorkerSilent, BrokerUnavailable."""

    def __call__(self, worker: str, command: str, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Context:
    """One app's Redis client and keys, its tasks, its ways of submitting and of telling workers.

    `max_retries` tells a task's limit; `claim(task, id, arguments)` keeps the files among new arguments as long as the
    job, raises UnknownFile.
    """

    client: Any
    space: Space
    jobs: Registry
    send: Send
    command: Command
    max_retries: Callable[[str], int | None]
    claim: Callable[[str, str, Mapping[str, Any]], None]
