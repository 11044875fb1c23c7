"""Speaks Redis: which jobs one job submitted, and which were submitted together."""

from __future__ import annotations

from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client


def kin(client: Client, space: Space, *names: str) -> list[list[str]]:
    """Return, for each id of a job or a group, the ids of what it submitted, or of its members, the oldest first.

    Only the first thousand are remembered (`publish.lua`). Raises BrokerUnavailable.
    """
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.zrange(f"{space.keys}kin:{name}", 0, -1)
    with reachable():
        return [[id.decode() for id in ids] for ids in pipe.execute()]
