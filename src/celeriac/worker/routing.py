"""Speaks Celery's routes: which queue a job goes to, and whether that queue is a list of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.app import amqp, routes
from celery.exceptions import QueueNotFound
from celery.utils.functional import maybe_evaluate


def queue_of(task: Any) -> str | None:
    """Return the queue that the task's own decorator names, if it does."""
    queue = getattr(task, "celeriac_queue", None) or getattr(task, "queue", None)
    return queue if isinstance(queue, str) else None


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> dict[str, str] | None:
    """Send a job to its own queue: the last of Celery's `task_routes`, after the user's."""
    queue = queue_of(task)
    return {"queue": queue} if queue else None


class Router(routes.Router):
    """Celery's router; where only our own route stands, it is followed without asking around."""

    app: Any
    queues: Any
    routes: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: the queue depends on the task and on what its caller says alone, not on routes of the user's
        self.alone = len(self.routes) == 1 and maybe_evaluate(self.routes[0]) is route

    def route(
        self, options: dict[str, Any], name: str, args: Any = (), kwargs: Any = None, task_type: Any = None
    ) -> dict[str, Any]:
        """Return the options with their queue. Raises QueueNotFound."""
        if not self.alone:
            routed: dict[str, Any] = super().route(options, name, args, kwargs, task_type)
            return routed
        queue = options.get("queue") or queue_of(task_type) or self.app.conf["task_default_queue"]
        try:
            options["queue"] = self.queues[queue] if isinstance(queue, str) else queue
        except KeyError:
            raise QueueNotFound(f"Queue {queue!r} missing from task_queues") from None
        return options


class AMQP(amqp.AMQP):
    """Celery's AMQP with our router."""

    def Router(self, queues: Any = None, create_missing: bool | None = None) -> Router:  # noqa: N802  # Celery's name
        missing = self.app.either("task_create_missing_queues", create_missing)
        return Router(self.routes, queues or self.queues, missing, app=self.app)


def is_list(queue: Any) -> bool:
    """Whether this queue is a plain list: direct, and without an end of its own."""
    return queue.exchange.type == "direct" and not (queue.expires or queue.queue_arguments)


def defaults(task: Any) -> Mapping[str, Any]:
    """Return the options that the task's decorator gave, for who submits by name alone."""
    given = task._get_exec_options() if task is not None else {}
    return {name: value for name, value in given.items() if value is not None}
