"""Speaks Redis: the one way to open a client that answers or fails in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from celeriac.config import Settings
from celeriac.errors import BrokerUnavailable

Client = Redis


def connect(settings: Settings) -> Client:
    """Return a client for the broker's database; nothing is opened before the first command."""
    return Redis.from_url(
        settings.broker_url,
        socket_timeout=settings.publish_timeout,
        socket_connect_timeout=settings.publish_timeout,
        retry=Retry(NoBackoff(), 1),  # once more at once: a pooled socket may have gone stale
    )


@contextmanager
def reachable() -> Iterator[None]:
    """Turn a silent or absent Redis into BrokerUnavailable."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise BrokerUnavailable(
            "Redis does not answer.", "Start it, or set BROKER_URL to one that runs."
        ) from error
