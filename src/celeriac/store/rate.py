"""Speaks Redis: how often each caller asked in the present minute."""

from __future__ import annotations

from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client

MINUTE = 60


def count(client: Client, space: Space, caller: str) -> tuple[int, int]:
    """Count one request; return how many there were in this window, and the seconds until it ends."""
    key = f"{space.keys}rate:{caller}"
    with reachable():
        pipe = client.pipeline()
        pipe.set(key, 0, ex=MINUTE, nx=True)
        pipe.incr(key).ttl(key)
        _, n, left = pipe.execute()
    return int(n), max(1, int(left))
