"""Speaks Redis: which ids were ever submitted."""

from __future__ import annotations

from redis import Redis

from celeriac.store.connection import reachable


def is_known(client: Redis, prefix: str, job_id: str) -> bool:
    """Was a job submitted under this id, and is it not forgotten yet?"""
    with reachable():
        return bool(client.exists(f"{prefix}celeriac:job:{job_id}"))
