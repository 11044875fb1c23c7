"""Speaks kombu's Redis channel: atomic batched fetch, leases and delay in place of BRPOP and a visibility timeout.

1. `publishing` records and queues in one move.
2. A consumer asks with the fetch move; when nothing is left it waits at the queues' doorbells, which carry no data.
3. What a fetch brings beyond the free slots waits here at most `hold` seconds, then goes back.
4. Closing gives back only what never began.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from functools import cached_property
from queue import Empty
from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.utils.json import loads

from celeriac.queue import message as envelope
from celeriac.queue.publishing import Publishing
from celeriac.queue.qos import QoS
from celeriac.queue.table import Table, table
from celeriac.store import clients, moves

logger = logging.getLogger(__name__)

WAIT = 1.0  # seconds at a doorbell: also how soon a stock producer's message is seen


class Channel(Publishing, kombu_redis.Channel):
    """A channel of ours; see the module's four steps."""

    QoS = QoS
    lease = 20.0
    max_losses = 3
    retention = 86400.0
    batch = 64
    hold = 0.2
    from_transport_options = (
        *kombu_redis.Channel.from_transport_options,
        *("lease", "max_losses", "retention", "batch", "hold", "publish_timeout", "queue_limit"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._surplus: deque[moves.Delivery] = deque()
        self._surplus_since = 0.0
        self._ahead = 1
        self._fetching = True
        self._in_fetch = False
        self._asked: tuple[Any, ...] = ()
        self._riding: list[str] = []
        self._unacknowledged: set[str] = set()
        self._next_due = 0
        self._plain: Any = None
        self._get_unacknowledged = False
        super().__init__(*args, **kwargs)
        self.space: moves.Space = moves.Space(self.global_keyprefix, self.lease, self.max_losses, self.retention)

    @property
    def redis(self) -> Any:
        """A client that sends keys as they are; our moves prefix them once, by hand."""
        if self._plain is None or self._plain.connection_pool is not self.pool:
            self._plain = clients.over(self.pool)
        return self._plain

    @cached_property
    def table(self) -> Table:
        """This process's deliveries on this broker."""
        manager: Any = self.__dict__.get("_sentinel_manager")
        pool = self._get_pool()
        self._sentinel_manager: Any = manager  # Sentinel's pools note their manager here; this one is the table's
        uri = self.connection.client.as_uri(include_password=True)
        return table(f"{uri}|{self.global_keyprefix}", self.space, lambda: clients.over(pool))

    # -- consume ---------

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        (self._unacknowledged.add if no_ack else self._unacknowledged.discard)(queue)
        consumed = super().basic_consume(queue, no_ack, *args, **kwargs)
        self._fetching = True
        if not no_ack and queue not in self.active_fanout_queues:
            self.table.watch(self)
        return consumed

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Send a fetch, or wait at the doorbells when the last fetch left nothing."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self.client.connection
        self._in_poll = connection
        self._brpop_sent_at = time.monotonic()
        self._in_fetch = self._fetching
        if not self._fetching:
            bells = [f"{self.space.keys}bell:{queue}" for queue in queues]
            connection.send_command("BLPOP", *bells, self._patience())
            return
        if queues:
            self._queue_cycle.rotate(queues[0])
        lists = [
            (self.global_keyprefix + self._q_for_pri(queue, pri), queue, queue not in self._unacknowledged)
            for pri in self.priority_steps
            for queue in queues
        ]
        self._riding = self.table.take_acks()
        self._asked = moves.fetch_args(self.space, self._wanted(), self._riding, lists)
        connection.send_command(*moves.fetch_script().command(*self._asked))

    def _wanted(self) -> int:
        free = self.qos.can_consume_max_estimate()
        if free is None:  # a consumer without a limit: nothing tells what would be too much
            return 1
        return int(free) + min(self._ahead, self.batch)

    def _patience(self) -> float:
        """Return how long to wait at a doorbell: at the most a second, less when a delayed message is due."""
        if not self._next_due or self._clock is None:
            return WAIT
        due = (self._next_due - self._clock) / 1000 - time.monotonic()
        return min(WAIT, max(0.01, due))

    def _brpop_read(self, **options: Any) -> bool:
        connection = self.client.connection
        try:
            reply = self.client.parse_response(connection, "EVALSHA" if self._in_fetch else "BLPOP", **options)
        except clients.NoScriptError:
            connection.send_command(*moves.fetch_script().fallback(*self._asked))
            raise Empty from None
        except self.connection_errors:
            self._in_poll = None
            self._lose_riding()
            connection.disconnect()
            raise
        except BaseException:
            self._in_poll = None
            self._lose_riding()
            raise
        self._in_poll = None
        if not self._in_fetch:
            self._fetching = True
            if self.qos.can_consume():
                self._brpop_start()
            raise Empty
        self._riding = []
        self._take(moves.read_fetch(reply))
        if self._closing:
            self._give_back_surplus()
        if not self.deliver(None if self.connection.cycle.in_loop else 1):
            raise Empty
        return True

    def _lose_riding(self) -> None:
        self.table.return_acks(self._riding)
        self._riding = []

    def _take(self, fetched: moves.Fetched) -> None:
        """Put what a fetch brought into the surplus, and learn from it when to ask again."""
        table = self.table
        self._clock = fetched.now - time.monotonic() * 1000
        self._fetching, self._next_due = fetched.more, fetched.next_due
        for id, raw in fetched.buried:
            table.hooks.buried(id, raw)
        for raw in fetched.dropped:
            table.hooks.dropped(raw)
        table.add(d.token for d in fetched.deliveries if d.token)
        with table.lock:
            self._surplus_since = time.monotonic()
            self._surplus.extend(fetched.deliveries)

    # -- surplus ---------

    def deliver(self, limit: int | None = None) -> int:
        """Hand over what is in stock while slots are free; return how many."""
        handed = 0
        while self._surplus and (limit is None or handed < limit) and self.qos.can_consume():
            with self.table.lock:
                delivery = self._surplus.popleft() if self._surplus else None
            if delivery is None:
                break
            handed += self._hand_over(delivery)
            if not self._surplus:  # the whole batch went in time: the next may be larger
                self._ahead = min(max(1, self._ahead * 2), max(1, self.batch))
        return handed

    def _hand_over(self, delivery: moves.Delivery) -> bool:
        payload = self._payload(delivery)
        if payload is None:
            return False
        if delivery.queue not in self.connection._callbacks:  # its consumer was cancelled meanwhile
            self.give_back([delivery.token])
            return False
        try:
            self.connection._deliver(payload, delivery.queue)
        except (ValueError, TypeError, LookupError) as error:
            if not self.table.holds(delivery.token) or delivery.token in self.qos._delivered:
                raise
            self.bury(delivery.token, f"unreadable message: {error!r:.200}")
            return False
        return True

    def _payload(self, delivery: moves.Delivery) -> Any:
        """Return the message as kombu expects it, or None when it went elsewhere instead."""
        try:
            payload = loads(delivery.raw)
        except (ValueError, RecursionError) as error:
            self.bury(delivery.token, f"unreadable message: {error!r:.200}")
            return None
        if not delivery.token:
            return payload
        headers = payload.setdefault("headers", {})
        if headers.get("eta") and not delivery.delayed:  # a stock producer's ETA is ours to wait for
            delay = envelope.delay_of(headers)
            if delay is not None:
                moves.defer(self.redis, self.space, delivery.token, delay)
                self.table.finish(delivery.token)
                return None
        if "task" in headers:
            headers[envelope.LEASE_HEADER] = delivery.token
        if delivery.delayed:
            headers["eta"] = None  # it has waited here; Celery would put even a past ETA on its timer
        payload["properties"]["delivery_tag"] = delivery.token
        payload["properties"]["delivery_info"]["redelivered"] = delivery.losses > 0
        return payload

    def overdue(self, now: float) -> list[str]:
        """Take what waited longer than `hold` out of the surplus; called by the table's thread."""
        with self.table.lock:
            if not self._surplus or now - self._surplus_since < self.hold:
                return []
            tokens = [d.token for d in self._surplus if d.token]
            self._surplus.clear()
            self._ahead = self._ahead // 2
        self._fetching = True
        return tokens

    def give_back(self, tokens: list[str], why: str = "", lost: bool = False, tail: bool = False) -> None:
        """Return deliveries to the head (or tail) of their queue."""
        self.table.put_back(self.redis, tokens, why, lost, tail)
        for queue in self._expires if tokens else ():
            self._touch(queue)

    def bury(self, token: str, reason: str) -> None:
        """Dead-letter a delivery that cannot run."""
        moves.bury(self.redis, self.space, token, reason, close=True)
        self.table.finish(token)

    def wake(self) -> None:
        """A slot is free: look again."""
        if self.connection is not None:
            self.connection.cycle.wake()

    # -- the rest ---------

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        self._get_unacknowledged = no_ack
        return super().basic_get(queue, no_ack, **kwargs)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        lists = [
            (self.global_keyprefix + self._q_for_pri(queue, pri), queue, not self._get_unacknowledged)
            for pri in self.priority_steps
        ]
        fetched = moves.fetch(self.redis, self.space, 1, lists, self.table.take_acks())
        self.table.add(d.token for d in fetched.deliveries if d.token)
        self._touch(queue)
        for delivery in fetched.deliveries:
            payload = self._payload(delivery)
            if payload is not None:
                return payload
        raise Empty

    def close(self) -> None:
        if not self.closed and self.connection is not None:
            self.table.unwatch(self)
            if self._in_poll and not self._in_fetch:
                self.client.connection.disconnect()  # nothing is lost with a doorbell's reply
            try:
                self._give_back_surplus()
                self.table.flush(self.redis)
            except (clients.RedisError, OSError) as error:
                # leases run out by themselves, acknowledgements wait for the next connection
                logger.warning("Closing a channel while Redis is away: %s", error)
        super().close()

    def _give_back_surplus(self) -> None:
        with self.table.lock:
            tokens = [d.token for d in self._surplus if d.token]
            self._surplus.clear()
        self.give_back(tokens)


class SentinelChannel(Channel, kombu_redis.SentinelChannel):
    """The same over Sentinel."""

    from_transport_options = Channel.from_transport_options + kombu_redis.SentinelChannel.from_transport_options
