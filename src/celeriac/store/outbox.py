"""Speaks Redis: the ends of jobs that somebody wants to hear of, in order, until they were told.

An end enters the outbox in the move that makes it, when the job has a `callback_url`, or while somebody listens to all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from celeriac.store.connection import reachable
from celeriac.store.moves import Space, ms
from celeriac.store.replies import Client


@dataclass(frozen=True, slots=True)
class End:
    """One end of a job: `seq` tells it from another end of the same job; `at` is Redis milliseconds."""

    id: str
    state: str
    seq: int
    at: int
    raw: bytes


def read(client: Client, space: Space, most: int = 100) -> list[End]:
    """Return the oldest ends that were not told yet."""
    with reachable():
        return [_end(raw) for raw in client.lrange(f"{space.keys}outbox", 0, most - 1)]


def told(client: Client, space: Space, ends: Iterable[End]) -> None:
    """Note that these were told."""
    pipe = client.pipeline(transaction=False)
    for end in ends:
        pipe.lrem(f"{space.keys}outbox", 1, end.raw)
    with reachable():
        pipe.execute()


def want_all(client: Client, space: Space, seconds: float) -> None:
    """Let every end enter the outbox for some seconds, whoever's it is."""
    with reachable():
        client.set(f"{space.keys}outbox:all", "1", px=ms(seconds))


def _end(raw: bytes) -> End:
    id, state, seq, at = raw.decode(errors="replace").rsplit("\n", 3)
    return End(id, state, int(seq), int(at), raw)
