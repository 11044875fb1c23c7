"""Speaks Redis: the queues as they stand, and the moves that steer them.

A queue is a plain list of Celery messages for each priority step; what waits for its time, is in flight or is
dead has keys of our own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from celeriac.errors import Conflict
from celeriac.store import clients, workers
from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client, load_object, moment
from celeriac.store.scripts import script

PRIORITY_STEPS = (0, 3, 6, 9)  # kombu's (kombu/transport/redis.py)
SEPARATOR = "\x06\x16"  # kombu's, between queue and priority, and in its bindings
LOOKED_AT = 500  # messages per census
MOVED = 40  # messages per purge or release: neither holds up the server for more than a few milliseconds
BINDINGS_SCANNED = 20  # rounds of SCAN; a larger database names its queues elsewhere
YOUNG = 2.0  # seconds before which a pace says nothing
OF_CELERY_ITSELF = ("pidbox", "celeryev")  # remote control and events, not jobs


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue at one moment; `oldest` is how long its next message has been ready (seconds, None unknown)."""

    name: str
    length: int
    in_flight: int
    delayed: int
    oldest: float | None
    consumers: tuple[str, ...]
    paused_since: datetime | None

    @property
    def paused(self) -> bool:
        return self.paused_since is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides when a waiting job of a queue runs; `position` is an estimate from 1, absent with priorities.

    `pace` is how many of its jobs workers took in a second of late, absent while that is not known.
    """

    length: int
    position: int | None
    paused_since: datetime | None
    consumers: tuple[str, ...]
    pace: float | None = None


def list_queues(client: Client, space: Space, steps: Sequence[int] = PRIORITY_STEPS) -> list[Queue]:
    """Return every queue that is known by a message, a worker or a binding, by name."""
    with reachable():
        listening = workers.list_workers(client, space)
        return _describe(client, space, sorted(_names(client, space, listening)), listening, steps)


def find(client: Client, space: Space, name: str, steps: Sequence[int] = PRIORITY_STEPS) -> Queue | None:
    """Return one queue, or None when nothing knows it."""
    with reachable():
        listening = workers.list_workers(client, space)
        if name not in _names(client, space, listening):
            return None
        return _describe(client, space, [name], listening, steps)[0]


def pause(client: Client, space: Space, name: str) -> bool:
    """Stop handing out the queue's messages; return False when it was paused already."""
    with reachable():
        return bool(script("pause")(client, *space.head(), name, 1))


def resume(client: Client, space: Space, name: str) -> bool:
    """Hand out messages again, at once; return False when it was not paused."""
    with reachable():
        return bool(script("pause")(client, *space.head(), name, 0))


def purge(client: Client, space: Space, name: str, steps: Sequence[int] = PRIORITY_STEPS) -> tuple[int, int]:
    """Cancel what is ready in the queue; return (messages taken, jobs cancelled).

    What arrives meanwhile stays. A group whose member goes this way never completes, as with Celery's purge.
    """
    taken = cancelled = 0
    meta = revoked("@ID@", "purged")
    with reachable():
        for key in _keys(space, name, steps):
            left = int(client.llen(key))
            while left > 0:
                args = (key, name, min(MOVED, left), "purged", meta)
                n, ended = script("purge")(client, *space.head(), *args)
                left = left - n if n else 0
                taken, cancelled = taken + n, cancelled + ended
    return taken, cancelled


def release(client: Client, space: Space, force: bool = False) -> tuple[int, int]:
    """Move delayed and in-flight messages back to the ready lists, for stock Celery workers to take over.

    Returns how many of each. Conflict while workers of ours are alive: they would hold what is released.
    """
    with reachable():
        alive = [worker.name for worker in workers.list_workers(client, space) if worker.alive]
        if alive and not force:
            raise Conflict(f"Workers are still running: {', '.join(alive)}.", "Stop them first.")
        return _release(client, space, "delayed"), _release(client, space, "inflight")


def standing(
    client: Client, space: Space, name: str, pos: int | None, steps: Sequence[int] = PRIORITY_STEPS
) -> Standing:
    """Return how the queue stands for a job whose record says `pos`."""
    with reachable():
        reply = script("standing")(client, *space.head(), name, *_keys(space, name, steps))
    now, length, others, popped, paused, kept, heard, infos = reply
    position = None
    if pos is not None and length and not others:
        position = min(max(1, pos - int(popped or 0)), length)
    pace = _pace(kept, int(now) / 1000, int(popped or 0))
    listening = workers.read_workers(heard, infos, int(now), space.lease)
    return Standing(length, position, moment(paused), _consumers(listening, name), pace)


def _pace(kept: bytes | None, now: float, popped: int) -> float | None:
    """Return messages per second since the older sample; None when it is too young, or nothing was taken since."""
    if not kept:
        return None
    at, n, *_ = (int(word) for word in kept.split())
    past = now - at / 1000
    return (popped - n) / past if past >= YOUNG and popped > n else None


def revoked(id: str, message: str) -> str:
    """Return Celery's result of a job that will not run, as its JSON backend writes it (celery/backends/base.py)."""
    error = {
        "exc_type": "TaskRevokedError",
        "exc_message": [message],
        "exc_module": "celery.exceptions",
    }
    return json.dumps({
        "status": "REVOKED", "result": error, "traceback": None, "children": [],
        "date_done": datetime.now(UTC).isoformat(), "task_id": id,
    })  # fmt: skip


def _release(client: Client, space: Space, which: str) -> int:
    moved, left = 0, int(client.zcard(space.keys + which))
    while left > 0:
        n = int(script("release")(client, *space.head(), which, min(MOVED, left)))
        left = left - n if n else 0
        moved += n
    return moved


def _keys(space: Space, name: str, steps: Iterable[int]) -> list[str]:
    return [f"{space.prefix}{name}{SEPARATOR}{step}" if step else space.prefix + name for step in steps]


def _names(client: Client, space: Space, listening: Iterable[workers.Worker]) -> set[str]:
    pipe = client.pipeline(transaction=False)
    for known in ("pushed", "paused", "delayed:count"):
        pipe.hkeys(space.keys + known)
    names = {name.decode() for found in pipe.execute() for name in found}
    names.update(queue for worker in listening for queue in worker.queues)
    return names | _bound(client, space)


def _bound(client: Client, space: Space) -> set[str]:
    """Return the queues that kombu has bound: also those to which only stock producers push."""
    opening = f"{space.prefix}_kombu.binding."
    pattern, cursor = "".join(f"\\{c}" if c in "*?[]^\\" else c for c in opening) + "*", 0
    exchanges: list[bytes] = []
    for _ in range(BINDINGS_SCANNED):
        cursor, found = client.scan(cursor, match=pattern, count=1000, _type="set")
        exchanges += found
        if not cursor:
            break
    pipe = client.pipeline(transaction=False)
    for exchange in exchanges:
        if not any(word in exchange.decode() for word in OF_CELERY_ITSELF):
            pipe.smembers(exchange)
    members = {member.decode() for found in pipe.execute() for member in found}
    return {parts[2] for member in members if len(parts := member.split(SEPARATOR)) == 3 and parts[2]}


def _describe(
    client: Client,
    space: Space,
    names: Sequence[str],
    listening: Sequence[workers.Worker],
    steps: Sequence[int],
) -> list[Queue]:
    pipe = client.pipeline(transaction=False)
    pipe.hgetall(f"{space.keys}paused").hgetall(f"{space.keys}delayed:count")
    keys = [key for name in names for key in _keys(space, name, steps)]
    for key in keys:
        pipe.llen(key).lindex(key, -1)
    paused, delayed, *found = pipe.execute()
    lengths, tails = found[::2], found[1::2]
    ages, flying, n = _ages(client, space, tails), _in_flight(client, space), len(steps)
    return [
        Queue(
            name,
            sum(lengths[i * n : i * n + n]),
            flying.get(name, 0),
            max(0, int(delayed.get(name.encode(), 0))),
            max((age for age in ages[i * n : i * n + n] if age is not None), default=None),
            _consumers(listening, name),
            moment(paused.get(name.encode())),
        )
        for i, name in enumerate(names)
    ]


def _ages(client: Client, space: Space, raws: Sequence[bytes | None]) -> list[float | None]:
    """Return how long each message has been ready: since it was submitted, or since it was due."""
    pipe = client.pipeline(transaction=False)
    ids = [_id(raw) if raw else "" for raw in raws]
    for id in filter(None, ids):
        pipe.hmget(f"{space.keys}job:{id}", "created_at", "due")
    replies = iter(pipe.execute())
    now = clients.milliseconds(client) if any(ids) else 0
    times = [[float(t) for t in next(replies) if t] if id else [] for id in ids]
    return [max(0.0, (now - max(found)) / 1000) if found else None for found in times]


def _id(raw: bytes) -> str:
    headers = (load_object(raw) or {}).get("headers")
    id = headers.get("id") if isinstance(headers, dict) else None
    return id if isinstance(id, str) else ""


def _in_flight(client: Client, space: Space) -> dict[str, int]:
    counts: dict[str, int] = {}
    rank, seen, deadline = 0, LOOKED_AT, time.monotonic() + 1.0
    while seen == LOOKED_AT and time.monotonic() < deadline:
        seen, *pairs = script("census")(client, *space.head(), rank, LOOKED_AT)
        for queue, n in zip(pairs[::2], pairs[1::2], strict=True):
            counts[queue.decode()] = counts.get(queue.decode(), 0) + n
        rank += seen
    return counts


def _consumers(listening: Iterable[workers.Worker], name: str) -> tuple[str, ...]:
    return tuple(worker.name for worker in listening if worker.alive and name in worker.queues)
