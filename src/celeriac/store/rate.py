"""Speaks Redis: how often each caller asked in the present minute."""

from __future__ import annotations

from celeriac.store.connection import reachable
from celeriac.store.moves import Space, ms
from celeriac.store.replies import Client
from celeriac.store.scripts import script

MINUTE = 60.0


def count(client: Client, space: Space, caller: str, n: int) -> tuple[int, float]:
    """Count n requests; return how many there were in this window, and the seconds until it ends."""
    with reachable():
        total, left = script("rate")(client, *space.head(), caller, n, ms(MINUTE))
    return int(total), max(0.0, int(left) / 1000)
