"""What one may ask of a queue and of the dead letters: pause, resume, purge, release, requeue."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from celeriac.actions.context import Context
from celeriac.errors import Conflict, UnknownJob, UnknownQueue
from celeriac.queue.again import again
from celeriac.store import dead, queues


def pause(context: Context, queue: str) -> bool:
    """Let no more of the queue's jobs start; False when it was paused already. Raises UnknownQueue."""
    _require(context, queue)
    return queues.pause(context.client, context.space, queue)


def resume(context: Context, queue: str) -> bool:
    """Let the queue's jobs start again; False when it was not paused. Raises UnknownQueue."""
    _require(context, queue)
    return queues.resume(context.client, context.space, queue)


def purge(context: Context, queue: str) -> tuple[int, int]:
    """Cancel the jobs that are ready in the queue; return (messages taken, jobs cancelled). Raises UnknownQueue."""
    _require(context, queue)
    return queues.purge(context.client, context.space, queue)


def release(context: Context, force: bool = False) -> tuple[int, int]:
    """Give what is delayed or in flight back to the plain lists, for stock workers; return how many of each.

    Raises Conflict while workers are alive, unless by `force`.
    """
    return queues.release(context.client, context.space, force)


def requeue(context: Context, ids: Iterable[str] | None = None) -> tuple[list[str], list[str]]:
    """Give dead letters another run, all of them without `ids`; return (ids queued, ids that nobody can read).

    With `ids`: raises UnknownJob for one that is no dead letter, Conflict for one that runs again or is unreadable.
    """
    chosen = None if ids is None else list(ids)
    queued: list[str] = []
    refused: list[str] = []
    for id in dead.all_ids(context.client, context.space) if chosen is None else chosen:
        try:
            _requeue(context, id)
        except (Conflict, UnknownJob):
            if chosen is not None:
                raise
            refused.append(id)
        else:
            queued.append(id)
    return queued, refused


def purge_dead(context: Context, ids: Iterable[str] | None = None) -> int:
    """Throw dead letters away, all of them without `ids`; return how many. Their jobs stay lost."""
    chosen = dead.all_ids(context.client, context.space) if ids is None else ids
    return dead.purge(context.client, context.space, chosen)


def _requeue(context: Context, id: str) -> None:
    letter = dead.find(context.client, context.space, id)
    if letter is None:
        raise UnknownJob(f"No dead letter has the id {id[:100]!r}.", "`flask jobs dead` lists them.")
    message = again(letter.queue, letter.key, letter.raw, "requeued")
    if message is None:
        raise Conflict(f"No worker can read the message {id}.", "Purge it.")
    dead.requeue(context.client, context.space, id, message)


def _require(context: Context, queue: str) -> None:
    if queue in {spec.queue for spec in context.jobs.values()}:
        return
    if queues.find(context.client, context.space, queue) is None:
        known = [found.name for found in queues.list_queues(context.client, context.space)]
        near = difflib.get_close_matches(queue[:100], known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known) or 'none'}."
        raise UnknownQueue(f"There is no queue named {queue[:100]!r}.", hint)
