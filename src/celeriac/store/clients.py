"""Speaks Redis: clients over a pool or a URL, and the errors that other rooms must tell apart."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

__all__ = [
    "NoScriptError",
    "OutOfMemoryError",
    "ReadOnlyError",
    "RedisError",
    "ResponseError",
    "TimeoutError",
    "from_url",
    "over",
]


def over(pool: Any) -> redis.Redis:
    """Return a client that sends keys as they are over a pool that somebody else owns."""
    return redis.Redis(connection_pool=pool)


def from_url(url: str, timeout: float = 2.0, **options: Any) -> redis.Redis:
    """Return a client of its own: connects late, answers or fails within `timeout` seconds, retries once at once.

    What was not answered in time is not asked again: it may have been done, and its caller has no time left.
    redis-py 8 would otherwise retry ten times with back-off (redis/_defaults.py).
    """
    options.setdefault("socket_timeout", timeout)
    options.setdefault("socket_connect_timeout", timeout)
    retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
    return redis.Redis.from_url(url, retry=retry, **options)


def milliseconds(client: Any) -> int:
    """Return the server's clock."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000
