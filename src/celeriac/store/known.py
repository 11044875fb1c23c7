"""Speaks Redis: which ids were ever submitted."""

from __future__ import annotations

from redis import Redis

from celeriac.store.connection import reachable


def mark_known(client: Redis, prefix: str, job_id: str, seconds: float) -> None:
    """Remember an id for some seconds; raise BrokerUnavailable when that is not possible."""
    with reachable():
        client.set(f"{prefix}celeriac:known:{job_id}", "", px=int(seconds * 1000))


def is_known(client: Redis, prefix: str, job_id: str) -> bool:
    """Was this id submitted, within its time?"""
    with reachable():
        return bool(client.exists(f"{prefix}celeriac:known:{job_id}"))
