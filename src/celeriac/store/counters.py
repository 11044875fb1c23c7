"""Speaks Redis: what was counted since the server began to keep jobs."""

from __future__ import annotations

from collections.abc import Mapping

from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client


def read(client: Client, space: Space) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many jobs ended in each state, and how often each unusual thing happened (a late result …)."""
    pipe = client.pipeline(transaction=False)
    pipe.hgetall(f"{space.keys}totals").hgetall(f"{space.keys}stats")
    with reachable():
        totals, stats = pipe.execute()
    return _numbers(totals), _numbers(stats)


def _numbers(found: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(n) for name, n in found.items()}
