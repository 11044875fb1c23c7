"""Speaks Redis: the client of one app, and what its silence means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from celeriac.config import Settings
from celeriac.errors import BrokerUnavailable
from celeriac.store.clients import from_url

Client = Redis


def connect(settings: Settings) -> Client:
    """Return a client for the broker's database; nothing is opened before the first command."""
    return from_url(settings.broker_url, settings.publish_timeout)


@contextmanager
def reachable() -> Iterator[None]:
    """Turn a silent or absent Redis, or one that takes no writes, into BrokerUnavailable."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise BrokerUnavailable("Redis does not answer.", "Start it, or set BROKER_URL to one that runs.") from error
    except OutOfMemoryError as error:
        raise BrokerUnavailable(
            "Redis is full; nothing was done.", "Raise its maxmemory, or delete what is not needed."
        ) from error
    except ReadOnlyError as error:
        raise BrokerUnavailable(
            "This Redis takes no writes: it is a replica.", "Set BROKER_URL to its primary."
        ) from error
