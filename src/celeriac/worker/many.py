"""Speaks Celery's way of submitting, for many jobs of one task: the same messages, hundreds of them in a round trip.

1. Each job is an order like any other.
2. A batch travels in one pipeline, each job its own move with its own answer.
3. When Redis falls silent, a batch is asked for once more, which queues nothing twice; what comes after is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from celery.exceptions import OperationalError

from celeriac.errors import BrokerUnavailable, CeleriacError, InvalidArguments
from celeriac.queue.errors import EncodeError, LimitExceeded
from celeriac.queue.publisher import SameJob
from celeriac.worker.order import Asked, Order

if TYPE_CHECKING:
    from celeriac.worker.app import CeleryApp

BATCH = 500  # jobs
Answer = str | CeleriacError


@dataclass(slots=True)
class Item:
    """One of many: its arguments, and its id where that was given."""

    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    id: str = ""


def unavailable(error: Exception) -> BrokerUnavailable:
    """Return what is said of a broker that did not take a job."""
    if isinstance(error, BrokerUnavailable):
        return error
    said = BrokerUnavailable(
        "Redis did not take the job; nothing was queued.", "Start it, or set BROKER_URL to one that runs."
    )
    said.__cause__ = error
    return said


def options_of(task: Any) -> dict[str, Any]:
    """Return the options with which `apply_async` would submit this task; none of a task that only others know."""
    if task is None:
        return {}
    return {**task._get_exec_options(), "ignore_result": task.ignore_result, "task_type": task}


def send_many(celery: CeleryApp, name: str, items: Iterable[Item], options: Mapping[str, Any]) -> Iterator[Answer]:
    """Submit jobs of this task and yield for each, in order, its id or why it was not queued."""
    waiting, silent, task = iter(items), None, options.get("task_type")
    check = getattr(task, "__header__", _anything) if task is not None and task.typing else _anything
    while batch := list(islice(waiting, BATCH)):
        asked = celery.asked(name, dict(options))
        made = [_order(celery, asked, check, item) for item in batch] if silent is None else []
        try:
            yield from _sent(celery, made) if silent is None else [silent] * len(batch)
        except (OperationalError, BrokerUnavailable) as error:
            silent = unavailable(error)
            yield from [silent if isinstance(one, Order) else one for one in made]


def _order(celery: CeleryApp, asked: Asked, check: Callable[..., Any], item: Item) -> Order | Answer:
    """Return the order of one job; its id, where Celery has sent it itself; or why not."""
    kwargs = dict(item.kwargs or {})
    try:
        check(*item.args, **kwargs)
        made = celery.order(asked, item.args, kwargs, item.id)
        return made if isinstance(made, Order) else str(made.id)
    except SameJob as job:
        return job.id
    except (TypeError, EncodeError) as error:
        return _unfit(asked.name, error)
    except CeleriacError as error:
        return error
    except (OperationalError, LimitExceeded) as error:
        return unavailable(error)


def _sent(celery: CeleryApp, made: Sequence[Order | Answer]) -> list[Answer]:
    """Queue the orders among these and return all answers. Raises OperationalError: how many are queued is unknown."""
    answers: list[Any] = list(made)
    orders, messages = [], []
    for i, order in enumerate(made):
        if not isinstance(order, Order):
            continue
        try:
            messages.append((order.queue, celery.message(order, dict(celery.sending["policy"]))))
        except EncodeError as error:
            answers[i] = _unfit(order.name, error)
        else:
            orders.append((i, order))
    for (i, order), refusal in zip(orders, celery.publisher.publish_many(messages), strict=True):
        answers[i] = _answer(order, refusal)
    return answers


def _answer(order: Order, refusal: Exception | None) -> Answer:
    if isinstance(refusal, SameJob):
        return refusal.id
    if refusal is not None:
        return refusal if isinstance(refusal, CeleriacError) else unavailable(refusal)
    order.published()
    if order.parent:
        order.told()
    return order.id


def _anything(*_: Any, **__: Any) -> None:
    """Take any arguments."""


def _unfit(name: str, error: Exception) -> InvalidArguments:
    return InvalidArguments(f"A job of {name} cannot be queued with these arguments: {error}.")
