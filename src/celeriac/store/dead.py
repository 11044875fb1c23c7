"""Speaks Redis: the dead letters, messages that nobody could run, kept until somebody decides.

A letter is a job that was lost with its worker too often, or a message that no worker can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.record import Again, requeue_args, verdict
from celeriac.store.replies import Client
from celeriac.store.scripts import script

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter; `raw` is its message, `task` what its record says ('' when that is past its retention)."""

    id: str
    at: datetime
    reason: str
    queue: str
    key: str
    task: str
    raw: bytes


def count(client: Client, space: Space) -> int:
    """Return how many dead letters there are."""
    with reachable():
        return int(client.zcard(f"{space.keys}dead"))


def list_letters(client: Client, space: Space, size: int = 50, after: tuple[int, str] | None = None) -> list[Letter]:
    """Return letters, the newest first; `after` is the `cursor` of the last one of the page before."""
    dead = f"{space.keys}dead"
    page: list[tuple[int, str]] = []
    with reachable():
        offset, start = 0, "+inf" if after is None else str(after[0])
        while len(page) < size:
            found = client.zrevrangebyscore(dead, start, "-inf", offset, size + 1, withscores=True)
            offset += len(found)
            page += [(int(at), id.decode()) for id, at in found if _comes_after(int(at), id, after)]
            if len(found) <= size:
                break
        return _letters(client, space, page[:size])


def cursor(letter: Letter) -> tuple[int, str]:
    """Return where the page after this letter begins."""
    return round(letter.at.timestamp() * 1000), letter.id


def find(client: Client, space: Space, id: str) -> Letter | None:
    """Return the dead letter of this id, or None."""
    with reachable():
        at = client.zscore(f"{space.keys}dead", id)
        letters = _letters(client, space, [(int(at), id)]) if at is not None else []
    return letters[0] if letters else None


def requeue(client: Client, space: Space, id: str, again: Again) -> None:
    """Give the letter's message another run, at the tail of its queue; the losses start again at none.

    UnknownJob when there is no such letter (any more), Conflict when its job is alive.
    """
    with reachable():
        verdict(id, script("requeue")(client, *space.head(), *requeue_args(id, again, letter=True)))


def purge(client: Client, space: Space, ids: Iterable[str]) -> int:
    """Throw letters away; return how many there were. Their jobs stay lost."""
    removed, chosen = 0, list(ids)
    with reachable():
        for i in range(0, len(chosen), CHUNK):
            pipe = client.pipeline()
            pipe.zrem(f"{space.keys}dead", *chosen[i : i + CHUNK])
            pipe.hdel(f"{space.keys}dead:messages", *chosen[i : i + CHUNK])
            removed += int(pipe.execute()[0])
    return removed


def all_ids(client: Client, space: Space) -> list[str]:
    """Return the id of every letter, the oldest first."""
    with reachable():
        return [id.decode() for id in client.zrange(f"{space.keys}dead", 0, -1)]


def _comes_after(at: int, id: bytes, after: tuple[int, str] | None) -> bool:
    return after is None or (at, id) < (after[0], after[1].encode())


def _letters(client: Client, space: Space, places: Sequence[tuple[int, str]]) -> list[Letter]:
    if not places:
        return []
    pipe = client.pipeline(transaction=False)
    pipe.hmget(f"{space.keys}dead:messages", [id for _, id in places])
    for _, id in places:
        pipe.hget(f"{space.keys}job:{id}", "task")
    values, *tasks = pipe.execute(raise_on_error=False)  # a damaged record has no task to tell
    if isinstance(values, Exception):
        raise values
    return [
        _letter(id, at, value, b"" if isinstance(task, Exception) else task)
        for (at, id), value, task in zip(places, values, tasks, strict=True)
        if value is not None
    ]


def _letter(id: str, at: int, value: bytes, task: Any) -> Letter:
    *words, raw = value.split(b"\n", 3)
    reason, queue, key = (word.decode(errors="replace") for word in words)
    return Letter(id, datetime.fromtimestamp(at / 1000, UTC), reason, queue, key, (task or b"").decode(), raw)
