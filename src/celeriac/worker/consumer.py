"""Speaks Celery's consumer: a message that no worker can run ends its job with a reason, and is kept.

Celery acknowledges a body it cannot decode, and ends the worker over one that is no task's; either way nobody hears.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

from celery.app.task import Context
from celery.exceptions import InvalidTaskError, NotRegistered
from celery.worker import consumer as celery_consumer

from celeriac.queue.errors import DecodeError
from celeriac.queue.message import LEASE_HEADER
from celeriac.worker.tracing import traced

logger = logging.getLogger(__name__)
LONGEST = 5  # seconds between two looks for the broker
CeleryConsumer: Any = celery_consumer.Consumer  # the stubs lack half of it


class Consumer(CeleryConsumer):
    """A consumer that lives through any message, and is back soon after its broker, however long that was away."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, or try for ever. Celery's pauses grow to half a minute, which would come on top of each outage."""
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=1, interval_step=1, interval_max=LONGEST
        )
        return super().ensure_connected(conn)

    def update_strategies(self) -> None:
        """Let plain jobs run by a shorter way than Celery's tracer."""
        super().update_strategies()
        for task in self.app.tasks.values():
            task.__trace__ = traced(self.app, task, task.__trace__)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Look at the body before Celery does, and let a thread that is done acknowledge by itself."""
        handle: Callable[[Any], Any] = super().create_task_handler(*args, **kwargs)
        strategies, callbacks, loop_thread = self.strategies, self.on_task_message, get_ident()

        def on_task_received(message: Any) -> Any:
            problem = _problem(message)
            named = isinstance(message.headers, dict) and message.headers.get("task")
            strategy = strategies.get(named) if named else None
            if self.restart_count and not self._maximum_prefetch_restored:
                strategy = None  # after a reconnect Celery counts
            plain = strategy is not None and problem is None and self._needs_no_timer(message)
            if get_ident() != loop_thread and not plain:
                self.call_soon(on_task_received, message)
                return message.channel.wake()
            if problem is not None:
                return self.on_decode_error(message, problem)
            if strategy is None:
                return handle(message)  # an old protocol, an unknown task
            reject = partial(self.call_soon_ack, message.reject_log_error)
            try:
                strategy(message, None, message.ack_log_error, reject, callbacks)
            except InvalidTaskError as error:
                self.on_invalid_task(None, message, error)

        return on_task_received

    def _needs_no_timer(self, message: Any) -> bool:
        """Whether Celery runs it at once: its timers belong to the event loop's thread."""
        return not message.headers.get("eta") and not self.task_buckets[message.headers["task"]]

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._give_up(message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._give_up(message, exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._give_up(message, NotRegistered(message.headers.get("task")))

    def _give_up(self, message: Any, exc: Exception) -> None:
        """The job has failed, whoever waits for it hears, the message goes to the dead letters."""
        headers = message.headers if isinstance(message.headers, dict) else {}
        id = headers.get("id")
        logger.error("A message of task %r, job %s, cannot be run: %r", headers.get("task"), id, exc)
        if isinstance(id, str) and headers.get(LEASE_HEADER):
            embed = {} if _problem(message) else message.payload[2]
            request = Context({**headers, **(embed or {}), "delivery_info": message.delivery_info})
            self.app.backend.mark_as_failure(id, exc, request=request)
        message.reject_log_error(logger, self.connection_errors)


def _problem(message: Any) -> Exception | None:
    """Return why the body is not that of a task, or None; nothing is asked of other messages."""
    if not isinstance(message.headers, dict) or "task" not in message.headers:
        return None
    try:
        args, kwargs, embed = message.payload
    except Exception as error:  # noqa: BLE001  # decoders raise what they like
        problem: Exception = DecodeError(f"The body cannot be read: {error}")
        return problem
    if isinstance(args, list | tuple) and isinstance(kwargs, dict) and (embed is None or isinstance(embed, dict)):
        return None
    problem = DecodeError("The body is not [arguments, keyword arguments, what follows].")
    return problem
