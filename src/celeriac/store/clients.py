"""Speaks Redis: clients over a pool or a URL, and the errors that other rooms must tell apart."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

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
from redis.sentinel import Sentinel, SentinelConnectionPool

__all__ = [
    "ConnectionError",
    "NoScriptError",
    "OutOfMemoryError",
    "ReadOnlyError",
    "RedisError",
    "ResponseError",
    "TimeoutError",
    "alone",
    "from_sentinels",
    "from_url",
    "over",
]


def over(pool: Any) -> redis.Redis:
    """Return a client that sends keys as they are over a pool that somebody else owns."""
    return redis.Redis(connection_pool=pool)


def alone(pool: Any) -> redis.Redis:
    """Return a client with connections of its own to where the pool's go: under gevent threads must not share them."""
    kwargs = {name: value for name, value in pool.connection_kwargs.items() if name != "connection_pool"}
    kwargs["connection_class"] = pool.connection_class
    if isinstance(pool, SentinelConnectionPool):
        service, manager = pool.service_name, pool.sentinel_manager
        return over(SentinelConnectionPool(service, manager, is_master=pool.is_master, **kwargs))  # type: ignore[no-untyped-call]
    return over(redis.ConnectionPool(**kwargs))


def from_url(url: str, timeout: float = 2.0, **options: Any) -> redis.Redis:
    """Return a client of its own: connects late, answers or fails within `timeout` seconds, retries once at once.

    What was not answered in time is not asked again: it may have been done, and its caller has no time left.
    redis-py 8 would otherwise retry ten times with back-off (redis/_defaults.py).
    """
    options.setdefault("socket_timeout", timeout)
    options.setdefault("socket_connect_timeout", timeout)
    retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
    return redis.Redis.from_url(url, retry=retry, **options)


def from_sentinels(urls: str, master: str, timeout: float = 2.0) -> redis.Redis:
    """Return a client of the primary that these Sentinels name: `sentinel://:password@host:port/0;sentinel://…`."""
    parts = [urlsplit(url) for url in urls.split(";")]
    last = parts[-1]
    own = {"db": int(last.path.strip("/") or 0), "username": last.username, "password": last.password}
    patience = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    manager = Sentinel([(p.hostname or "localhost", p.port or 26379) for p in parts], **patience)  # type: ignore[no-untyped-call]
    found: redis.Redis = manager.master_for(master, **own, **patience)  # type: ignore[no-untyped-call]
    return found


def milliseconds(client: Any) -> int:
    """Return the server's clock."""
    seconds, micros = client.execute_command("TIME")
    return int(seconds) * 1000 + int(micros) // 1000
