"""Speaks Redis: the client of one app, and what its silence means."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from celeriac.config import Settings
from celeriac.errors import BrokerUnavailable
from celeriac.store.clients import from_sentinels, from_url
from celeriac.store.wire import wired

Client = Redis


def connect(settings: Settings) -> Client:
    """Return a client for the broker's database; nothing is opened before the first command."""
    url, timeout = settings.broker_url, settings.publish_timeout
    if url.startswith("sentinel://"):
        return wired(from_sentinels(url, settings.sentinel_master, timeout))
    return wired(from_url(spelled(url), timeout))


def spelled(url: str) -> str:
    """Return kombu's URL of a unix socket as redis-py spells it; any other as it is."""
    if not url.startswith("redis+socket://"):
        return url
    parts = urlsplit(url)
    query = [("db" if name == "virtual_host" else name, value.strip("/")) for name, value in parse_qsl(parts.query)]
    return urlunsplit(("unix", parts.netloc, parts.path, urlencode(query), ""))


class reachable:  # noqa: N801  # a function to those who say `with`; a generator would cost three times as much
    """Turn a silent or absent Redis, or one that takes no writes, into BrokerUnavailable."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (RedisConnectionError, RedisTimeoutError)):
            raise BrokerUnavailable(
                "Redis does not answer.", "Start it, or set BROKER_URL to one that runs."
            ) from error
        if isinstance(error, OutOfMemoryError):
            raise BrokerUnavailable(
                "Redis is full; nothing was done.", "Raise its maxmemory, or delete what is not needed."
            ) from error
        if isinstance(error, ReadOnlyError):
            raise BrokerUnavailable(
                "This Redis takes no writes: it is a replica.", "Set BROKER_URL to its primary."
            ) from error
