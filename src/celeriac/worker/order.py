"""Speaks Celery's messages: a job on its way, and the mould that it has in common with the next of its kind.

What Celery makes of a submission depends on its task and its options alone, but for id, arguments, headers and parent.
So Celery makes the first message of each kind; the others are cast from it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from celery import signals
from celery.utils.saferepr import saferepr

from celeriac.worker.shown import brief

#: Options of which every job is told the same that has the same, when they are plain.
ALIKE = frozenset({
    "queue", "routing_key", "priority", "ignore_result", "time_limit", "soft_time_limit", "shadow", "retry",
    "add_to_parent", "serializer", "immediate", "mandatory",
})  # fmt: skip
#: What is each job's own, and filled in.
OWN = frozenset({"task_id", "headers", "result_cls", "task_type"})
PLAIN = (str, int, float, bool)
MOST = 1000  # moulds
SHOWN = 1024  # characters of the arguments, as Celery shows them (celery/app/amqp.py)


@dataclass(slots=True)
class Asked:
    """What was asked of a job, or of many: found out once for all of them.

    `options` are the caller's, `given` has those of the task's decorator besides; `headers` is for none to change.
    """

    name: str
    task: Any
    parent: Any
    options: dict[str, Any]
    given: dict[str, Any]
    headers: dict[str, Any]
    kind: tuple[Hashable, ...] | None
    sender: tuple[str, str]


@dataclass(slots=True)
class Order:
    """A job on its way: Celery's message, the queue it goes to, what its caller said of sending and of the result."""

    name: str
    id: str
    queue: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    body: Any
    sending: Mapping[str, Any]
    ignored: bool | None
    result: Any
    parent: Any

    def published(self) -> None:
        """Send the signal that the job is queued."""
        signals.after_task_publish.send(
            sender=self.name, body=self.body, headers=self.headers, exchange="", routing_key=self.queue
        )

    def told(self) -> Any:
        """Return what `apply_async` answers."""
        result = self.result(self.id)
        result.ignored = self.ignored
        if self.parent:
            self.parent.add_trail(result)
        return result


@dataclass(frozen=True, slots=True)
class Mould:
    """What the orders of one kind have in common."""

    queue: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    embed: dict[str, Any]
    sending: Mapping[str, Any]
    ignored: bool | None
    traced: bool
    levels: int

    def cast(
        self, name: str, id: str, args: Any, kwargs: Any, added: Mapping[str, Any], sender: tuple[str, str],
        result: Any, parent: Any,
    ) -> Order:  # fmt: skip
        """Return the order of one job; `added` are headers beside Celery's, `sender` is its origin and where it hears.

        Raises TypeError for arguments that are none.
        """
        args, kwargs = args or (), kwargs or {}
        if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
            raise TypeError("task args must be a list or tuple, keyword arguments a mapping")
        root, above = family(parent, id)
        headers = {
            **self.headers, "id": id, "root_id": root, "parent_id": above, "argsrepr": self._shown(args),
            "kwargsrepr": self._shown(kwargs), "origin": sender[0], "timelimit": [*self.headers["timelimit"]],
            "stamps": {}, **added,
        }  # fmt: skip
        properties = {**self.properties, "correlation_id": id, "reply_to": sender[1]}
        body = (args, kwargs, dict(self.embed))
        trail = parent if self.traced else None
        return Order(name, id, self.queue, headers, properties, body, self.sending, self.ignored, result, trail)

    def _shown(self, arguments: Any) -> str:
        return brief(arguments) or saferepr(arguments, SHOWN, maxlevels=self.levels)


def family(parent: Any, id: str) -> tuple[str, str | None]:
    """Return root and parent of a job that this task submits, or nobody."""
    return (parent.request.root_id or parent.request.id, parent.request.id) if parent else (id, None)


def kind_of(name: str, task: Any, options: Mapping[str, Any]) -> tuple[Hashable, ...] | None:
    """Return what a submission has in common with those that it shares a mould with; None when it is like no other."""
    kind: list[Any] = [name, task, "task_type" in options]
    for option, value in options.items():
        if value is None or option in OWN:
            continue
        if option not in ALIKE or type(value) not in PLAIN:
            return None
        kind.extend((option, type(value), value))
    return tuple(kind)


class Moulds:
    """The moulds of one app, whose messages show arguments so many levels deep."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._made: dict[tuple[Hashable, ...], Mould] = {}

    def get(self, kind: tuple[Hashable, ...] | None) -> Mould | None:
        """Return the mould of this kind, if one was made."""
        return self._made.get(kind) if kind else None

    def take(self, kind: tuple[Hashable, ...] | None, order: Order, *, traced: bool) -> None:
        """Make a mould of an order that has no headers of its own yet; one of Celery's old protocol is no pattern."""
        if kind is None or not isinstance(order.body, tuple):
            return
        if len(self._made) >= MOST:
            self._made.clear()
        headers, properties, embed = deepcopy((order.headers, order.properties, order.body[2]))
        self._made[kind] = Mould(
            order.queue, headers, properties, embed, order.sending, order.ignored, traced, self._levels
        )
