"""Speaks Celery's way of submitting: `delay`, canvas, beat, retries, HTTP, all of them come through `send_task`.

1. What is handed on is added: who asks (`behalf`), a callback, files, what makes the job the same as another.
2. Celery's router names the queue, Celery makes the message; they become an order, and a mould for others like it.
3. The order is queued in one round trip by a publisher of this app's own; Celery's signals are sent around it.

Celery and kombu send themselves what is not for a list of ours, or comes with a producer or connection of its own.
"""

from __future__ import annotations

import inspect
import logging
import os
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from celery import Celery, signals
from celery.app import amqp as celery_amqp
from celery.utils.functional import maybe_list
from celery.utils.nodenames import anon_nodename

from celeriac import queue
from celeriac.config import Settings
from celeriac.job import new_id
from celeriac.queue.message import SAME_HEADER, encoded, made
from celeriac.queue.publisher import Publisher, SameJob
from celeriac.worker import behalf, unique, webhook
from celeriac.worker.file import files_of, taken, takes_files
from celeriac.worker.order import Asked, Moulds, Order, family, kind_of
from celeriac.worker.result import AsyncResult
from celeriac.worker.routing import AMQP, defaults, is_list
from celeriac.worker.shown import brief

logger = logging.getLogger(__name__)

#: What `send_task` takes by position after its name and arguments, in Celery's order.
POSITIONAL = tuple(inspect.signature(Celery.send_task).parameters)[4:]
#: Whoever brings one of these has Celery's own way; None is as good as nothing.
FOREIGN = ("producer", "publisher", "connection", "router", "exchange", "exchange_type", "compression",
           "declare", "delivery_mode")  # fmt: skip
#: What of the options is read again when the message is sent.
SENDING = ("retry", "retry_policy")
#: What Celery and kombu read themselves (celery/app/amqp.py); every other option is a property of the message.
READ = {
    *FOREIGN, "queue", "routing_key", "event_dispatcher", "retry", "retry_policy", "serializer", "headers", "timeout",
    "confirm_timeout", "mandatory", "immediate", "argsrepr", "kwargsrepr", "origin", "now", "timezone",
}  # fmt: skip


class Submitting(Celery):
    """A Celery app whose jobs travel in one round trip each."""

    settings: Settings
    amqp_cls: Any = AMQP
    _publisher: Publisher | None = None
    _origin = (0, "")

    @cached_property
    def moulds(self) -> Moulds:
        """What this app's jobs have in common with others of their kind."""
        return Moulds(self.conf.task_repr_maxlevels)

    @property
    def publisher(self) -> Publisher:
        """What queues this app's jobs; made when the first is sent. Raises OperationalError."""
        if self._publisher is None:
            with self.connection_for_write() as connection:
                self._publisher = queue.publisher(connection)
        return self._publisher

    @cached_property
    def _alone(self) -> bool:
        """Whether a job's queue follows from its task and options alone; Celery looks up two things for it."""
        return bool(self.amqp.router.alone)  # type: ignore[attr-defined]  # the stubs know Celery's own router

    @cached_property
    def AsyncResult(self) -> Any:  # noqa: N802  # Celery's name
        """What `apply_async` answers."""
        return self.subclass_with_self(AsyncResult)

    @cached_property
    def sending(self) -> dict[str, Any]:
        """How Celery's settings say that a message is sent; read once, as Celery does."""
        conf = self.conf
        return {
            "retry": conf.task_publish_retry,
            "policy": dict(conf.task_publish_retry_policy or {}),
            "compression": conf.task_compression,
            "inherits": conf.task_inherit_parent_priority,
        }

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        """Submit a job, on behalf of the request or the job that does; every way of submitting comes through here."""
        options.update(zip(POSITIONAL, more, strict=False))
        try:
            order = self.order(self.asked(name, options), args, kwargs, options.get("task_id"))
            if isinstance(order, Order):
                self._send(order)
                return order.told()
        except SameJob as job:
            return self.AsyncResult(job.id)
        return order

    def asked(self, name: str, options: dict[str, Any]) -> Asked:
        """Return what jobs of this task have in common that are submitted here and now with these options."""
        task = options.get("task_type") or self._tasks.get(name)  # type: ignore[attr-defined]
        parent = self.current_worker_task
        headers = {**behalf.headers(parent), **(options.get("headers") or {})}
        if url := getattr(task, "celeriac_callback", None):
            headers.setdefault(webhook.CALLBACK_HEADER, url)
        given = options if options.get("task_type") else {**defaults(task), **options}
        kind, sender = self._kind(name, task, parent, given), (self.origin, self.thread_oid)
        return Asked(name, task, parent, options, given, headers, kind, sender)

    def order(self, asked: Asked, args: Any, kwargs: Any, id: str | None) -> Order | Any:
        """Return the order of a job, or Celery's answer where Celery sends it itself. Raises as `send_task`."""
        id, name, task, parent = id or new_id(), asked.name, asked.task, asked.parent
        args, kwargs, headers = self._hand_on(asked, args, kwargs, id)
        if mould := self.moulds.get(asked.kind):
            result = asked.given.get("result_cls") or self.AsyncResult
            return mould.cast(name, id, args, kwargs, headers, asked.sender, result, parent)
        own, ours = {"task_id": id, "headers": dict(headers)}, self._is_ours(asked.options)
        made = self._ordered(name, task, parent, args, kwargs, **{**asked.given, **own}) if ours else None
        if made is None:
            return super().send_task(name, args, kwargs, **{**asked.options, **own})
        self.moulds.take(asked.kind, made, traced=asked.given.get("add_to_parent", True))
        made.headers.update(headers)
        return made

    def _kind(self, name: str, task: Any, parent: Any, options: dict[str, Any]) -> Any:
        if signals.task_sent.receivers or not self._alone or (parent and self.sending["inherits"]):
            return None
        return kind_of(name, task, options)

    def _is_ours(self, options: dict[str, Any]) -> bool:
        if self.settings.transport != "celeriac" or self.sending["compression"] or self.conf["task_send_sent_event"]:
            return False
        if any(map(options.get, FOREIGN)) or signals.task_sent.receivers:
            return False
        return (options.get("serializer") or "json") == "json"

    def _ordered(  # Celery's own names, in its order; what it does with each is in celery/app/base.py
        self, name: str, task: Any, parent: Any, args: Any, kwargs: Any, *, countdown: Any = None, eta: Any = None,
        task_id: Any = None, result_cls: Any = None, expires: Any = None, link: Any = None, link_error: Any = None,
        add_to_parent: bool = True, group_id: Any = None, group_index: Any = None, retries: int = 0, chord: Any = None,
        reply_to: Any = None, time_limit: Any = None, soft_time_limit: Any = None, root_id: Any = None,
        parent_id: Any = None, route_name: Any = None, shadow: Any = None, chain: Any = None, task_type: Any = None,
        replaced_task_nesting: int = 0, ignore_result: Any = None, **options: Any,
    ) -> Order | None:  # fmt: skip
        options = self.amqp.router.route(options, route_name or name, args, kwargs, task)
        queue = options["queue"]
        if not is_list(queue) or options.get("exchange"):
            return None
        id = task_id or new_id()
        if expires is not None:
            options["expiration"] = _expiration(id, expires)
        if parent and not (root_id and parent_id):
            root, above = family(parent, id)
            root_id, parent_id = root_id or root, parent_id or above
            if self.sending["inherits"]:
                options.setdefault("priority", parent.request.delivery_info.get("priority"))
        options.setdefault("argsrepr", brief(args or ()))
        options.setdefault("kwargsrepr", brief(kwargs or {}))
        options.setdefault("origin", self.origin)
        message = self.amqp.create_task_message(
            id, name, args, kwargs, countdown, eta, group_id, group_index, expires, retries, chord, maybe_list(link),
            maybe_list(link_error), reply_to or self.thread_oid, time_limit, soft_time_limit, False, root_id,
            parent_id, shadow, chain, ignore_result=ignore_result, replaced_task_nesting=replaced_task_nesting,
            **options,
        )  # fmt: skip
        for stamp in options.pop("stamped_headers", None) or ():
            options.pop(stamp)
        headers, properties, body, _ = message
        properties |= {name: value for name, value in options.items() if name not in READ}
        sending = {name: options[name] for name in SENDING if name in options}
        return Order(
            name, id, queue.name, headers, properties, body, sending, ignore_result, result_cls or self.AsyncResult,
            parent if add_to_parent else None,
        )  # fmt: skip

    def _send(self, order: Order) -> None:
        """Queue a job. Raises OperationalError, BrokerUnavailable, QueueFull, SameJob; then nothing was queued."""
        asked, sending = order.sending, self.sending
        policy = {**sending["policy"], **(asked.get("retry_policy") or {})}
        message = self.message(order, policy)
        patient = celery_amqp._callback_publish_retry.get()  # type: ignore[attr-defined]  # missing in the stubs
        if asked.get("retry", None) is False or not (asked.get("retry") or sending["retry"]):
            policy, patient = {}, False
        elif patient:
            policy["max_retries"] = celery_amqp._callback_publish_max_retries(policy, sending["policy"])  # type: ignore[attr-defined]
        self.publisher.publish(order.queue, message, policy, patient=patient)
        order.published()

    def message(self, order: Order, policy: dict[str, Any]) -> dict[str, Any]:
        """Return what travels, after whoever listens to `before_task_publish` has seen it."""
        headers, properties, body = order.headers, order.properties, order.body
        signals.before_task_publish.send(
            sender=order.name, body=body, exchange="", routing_key=order.queue, declare=[], headers=headers,
            properties=properties, retry_policy=policy,
        )  # fmt: skip
        return made(order.queue, encoded(body), headers, properties)

    def _hand_on(self, asked: Asked, args: Any, kwargs: Any, id: str) -> tuple[Any, Any, dict[str, Any]]:
        """Return arguments and headers of a job as they travel, with what its task asks for."""
        task, headers = asked.task, asked.headers
        if takes_files(task):
            owner = headers.get("celeriac_owner") or ""
            args, kwargs = taken(task.spec, (args, kwargs), files_of(self.settings), owner, id)
        if seconds := getattr(task, "celeriac_unique", None):
            headers = {**headers, SAME_HEADER: [unique.same(task, args or (), kwargs or {}, headers), seconds]}
        return args, kwargs, headers

    @property
    def origin(self) -> str:
        """This process, as Celery names it in messages."""
        pid = os.getpid()
        if self._origin[0] != pid:
            self._origin = (pid, anon_nodename())
        return self._origin[1]


def _expiration(id: str, expires: Any) -> float:
    """Return the seconds until a job expires; one that has done so already is sent all the same, and ends so."""
    if isinstance(expires, str):
        expires = datetime.fromisoformat(expires)
    seconds: float = expires
    if isinstance(expires, datetime):
        aware = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    if seconds < 0:
        logger.warning("Job %s is submitted %.0f s after the time at which it expires.", id, -seconds)
    return max(0.0, seconds)
