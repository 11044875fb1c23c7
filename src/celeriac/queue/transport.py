"""Speaks kombu's transports: `redis://`, `rediss://`, `redis+socket://` and `sentinel://` with our channels."""

from __future__ import annotations

import time
from typing import Any

from kombu import transport
from kombu.transport import redis as kombu_redis

from celeriac.config import Settings
from celeriac.queue.channel import Channel, SentinelChannel
from celeriac.queue.poller import Poller
from celeriac.queue.publisher import Publisher
from celeriac.store import clients

AGAIN = 0.5  # seconds; kombu's retries of a publish follow at once, a consumer's after 2
HEALTH = 4  # seconds after which a doorbell that fell silent is given up; kombu looks at it as often

STOCK = {"redis": "kombu.transport.redis:Transport", "rediss": "kombu.transport.redis:Transport",
         "sentinel": "kombu.transport.redis:SentinelTransport"}  # fmt: skip
OURS = {"redis": "celeriac.queue.transport:Transport", "rediss": "celeriac.queue.transport:Transport",
        "sentinel": "celeriac.queue.transport:SentinelTransport"}  # fmt: skip


class Transport(kombu_redis.Transport):
    """kombu's Redis transport with atomic fetch and leases."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()
        self._silent_until = 0.0

    def establish_connection(self) -> Any:
        """Connect; a server that was silent a moment ago is not asked again at once, its producer would wait twice."""
        if time.monotonic() < self._silent_until:
            raise clients.TimeoutError("Redis did not answer in time.")
        try:
            return super().establish_connection()
        except clients.TimeoutError:
            self._silent_until = time.monotonic() + AGAIN
            raise

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        self.cycle.join(loop)


class SentinelTransport(Transport):
    """The same over Sentinel."""

    default_port = 26379
    Channel = SentinelChannel


def install(stock: bool = False) -> None:
    """Make `redis://` mean our transport in this process, or kombu's own again."""
    transport.TRANSPORT_ALIASES.update(STOCK if stock else OURS)


def publisher(connection: Any) -> Publisher:
    """Return what queues messages where this kombu connection goes, and outlives it. Raises OperationalError."""
    with connection._reraise_as_library_errors(), connection.channel() as channel:
        own: Publisher = channel.own_publisher()
        return own


def options(settings: Settings) -> dict[str, Any]:
    """Return Celery's `broker_transport_options` for these settings."""
    common = {
        "global_keyprefix": settings.key_prefix,
        "master_name": settings.sentinel_master,
        "socket_connect_timeout": settings.publish_timeout,
        "socket_timeout": settings.publish_timeout,
        "socket_keepalive": True,
        "health_check_interval": HEALTH,
    }
    if settings.transport == "stock":
        return common | {"socket_timeout": None}
    names = ("lease", "max_losses", "retention", "batch", "hold", "publish_timeout", "queue_limit", "caller_limit")
    return common | {name: getattr(settings, name) for name in names}
