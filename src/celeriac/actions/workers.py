"""What one may ask of a worker: another size of its pool, and to end."""

from __future__ import annotations

from dataclasses import replace

from celeriac.actions.context import Context
from celeriac.errors import Conflict, UnknownWorker
from celeriac.store import workers
from celeriac.store.workers import Worker


def resize(context: Context, name: str, size: int) -> Worker:
    """Give the worker's pool this many slots and return it with them; running jobs go on.

    Raises UnknownWorker, Conflict when its pool cannot (the sentence says why), WorkerSilent, BrokerUnavailable.
    """
    worker = find(context, name)
    answer = context.command(name, "resize", size=size)
    if "ok" not in answer:
        raise Conflict(f"The pool of {name} keeps its size.", str(answer.get("error", "")))
    return replace(worker, concurrency=int(answer["ok"]))


def shut_down(context: Context, name: str) -> Worker:
    """Let the worker end: its jobs have the grace to finish, what it has not begun goes back to its queue.

    Raises UnknownWorker, Conflict when it cannot be ended from afar, WorkerSilent, BrokerUnavailable.
    """
    worker = find(context, name)
    answer = context.command(name, "shut_down")
    if "ok" not in answer:
        raise Conflict(f"Worker {name} does not end.", str(answer.get("error", "")))
    return replace(worker, stopping=True)


def find(context: Context, name: str) -> Worker:
    """Return the worker of this name. Raises UnknownWorker, BrokerUnavailable."""
    known = workers.list_workers(context.client, context.space)
    for worker in known:
        if worker.name == name:
            return worker
    there = f"There are: {', '.join(worker.name for worker in known)}." if known else "None was heard of lately."
    raise UnknownWorker(f"There is no worker named {name[:100]!r}.", there)
