"""Speaks kombu's Redis channel: atomic batched fetch, leases and delay in place of BRPOP and a visibility timeout.

1. `publishing` records and queues in one move.
2. A consumer asks with the fetch move; when nothing is left it waits at the queues' doorbells, which carry no data, and
   at its hand, into which the next publish may put a message under a lease: that saves it the asking.
3. `delivering` hands out what a fetch brought; what is beyond the free slots waits at most `hold` seconds.
4. A server that refuses to write (full, a replica lost) is asked again in a while; its worker lives.
5. Closing gives back only what never began.
"""

from __future__ import annotations

import logging
import secrets
import time
from queue import Empty
from typing import Any

from kombu.transport import redis as kombu_redis

from celeriac.queue.delivering import CHUNK, Delivering
from celeriac.queue.publishing import Publishing
from celeriac.queue.qos import QoS
from celeriac.queue.received import Message
from celeriac.store import clients, moves

logger = logging.getLogger(__name__)

REST = 1.0  # seconds after a refusal
FIRST = 0.002  # seconds for which a job that was handed over has the interpreter and the server to itself
WAIT = 1.0  # seconds at a doorbell: also how soon a stock producer's message is seen


class Channel(Publishing, Delivering, kombu_redis.Channel):
    """A channel of ours; see the module's five steps."""

    QoS = QoS
    Message = Message
    lease = 20.0
    max_losses = 3
    retention = 86400.0
    from_transport_options = (
        *kombu_redis.Channel.from_transport_options,
        *("lease", "max_losses", "retention", "batch", "hold", "publish_timeout", "queue_limit", "caller_limit"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._stock()
        self._fetching = True
        self._rest_until = self._ask_at = 0.0
        self._in_fetch = False
        self._hand = secrets.token_hex(8)
        self._holds_out = False  # its hand: something may have been handed to it
        self._handed = ""  # the last delivery that was
        self._asked: tuple[Any, ...] = ()
        self._riding: list[str] = []
        self._unacknowledged: set[str] = set()
        self._next_due = 0
        self._clock: float | None = None
        self._plain: Any = None
        self._get_unacknowledged = False
        super().__init__(*args, **kwargs)
        self.space: moves.Space = moves.Space(self.global_keyprefix, self.lease, self.max_losses, self.retention)

    @property
    def redis(self) -> Any:
        """A client that sends keys as they are; our moves prefix them."""
        if self._plain is None or self._plain.connection_pool is not self.pool:
            self._plain = clients.over(self.pool)
        return self._plain

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
        if not queues or self.table.closed or time.monotonic() < max(self._rest_until, self._ask_at):
            return
        connection = self.client.connection
        self._in_poll = connection
        self._brpop_sent_at = time.monotonic()
        self._in_fetch = self._fetching
        if not self._fetching:
            bells = [f"{self.space.keys}bell:{queue}" for queue in queues]
            connection.send_command("BLPOP", moves.hand_key(self.space, self._hand), *bells, self._patience())
            return
        self._queue_cycle.rotate(queues[0])
        lists = [
            (self.global_keyprefix + self._q_for_pri(queue, pri), queue, queue not in self._unacknowledged)
            for pri in self.priority_steps
            for queue in queues
        ]
        self._riding = self.table.take_acks()
        wanted, free = self._wanted()
        self._holds_out = self._holds_out or free > 0
        self._asked = moves.fetch_args(self.space, wanted, self._riding, lists, self._hand, free)
        try:
            connection.send_command(*moves.fetch_script().command(*self._asked))
        except BaseException:
            self._in_poll = None
            self._lose_riding()
            raise

    def _wanted(self) -> tuple[int, int]:
        """Return how many messages to ask for, and how many slots are free."""
        free = self.qos.can_consume_max_estimate()
        if free is None:  # a consumer without a limit: nothing tells what would be too much
            return 1, 0
        return int(free) + min(CHUNK, self._room()), int(free)

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
        except clients.ResponseError as error:
            self._in_poll = None
            self._lose_riding()
            self._refused(connection, error)
            raise Empty from None
        except BaseException:
            self._in_poll = None
            self._lose_riding()
            raise
        self._in_poll = None
        if self._in_fetch:
            self._riding, self._rest_until = [], 0.0
            self._take(moves.read_fetch(reply))
        elif not self._hear(reply):
            if self.qos.can_consume():
                self._brpop_start()
            raise Empty
        if self._closing:
            self._give_back_surplus()
            self._let_go()
        if not self.deliver(None if self.connection.cycle.in_loop else 1):
            raise Empty
        return True

    def _hear(self, reply: Any) -> bool:
        """Return whether a message was handed over; a bell, or nothing for a while, says to ask again."""
        self._fetching = True
        if not reply or not reply[0].endswith(self._hand.encode()):
            return False
        delivery = moves.read_hand(reply[1])
        self._handed = delivery.token
        self._stock([delivery])
        if self.connection.cycle.come_back(FIRST):
            self._ask_at = time.monotonic() + FIRST
        return True

    def _let_go(self) -> None:
        """Wait no longer: what was handed over and not read goes back now; a reply that brings it comes too late."""
        if not self._holds_out:
            return
        hand = self._hand
        if not (self._in_poll and self._in_fetch):  # else a fetch on its way may hold it out once more
            self._hand, self._holds_out = secrets.token_hex(8), False
        try:
            moves.let_go(self.redis, self.space, hand, self._handed)
        except (clients.RedisError, OSError) as error:
            logger.warning("What was just handed over comes back when its lease ends: %s", error)

    def _basic_cancel(self, consumer_tag: str) -> Any:
        self._let_go()
        return super()._basic_cancel(consumer_tag)

    def _refused(self, connection: Any, error: clients.ResponseError) -> None:
        """Ask again in a while. Raises ConnectionError where another server must be looked for."""
        if isinstance(error, clients.ReadOnlyError):
            connection.disconnect()
            raise ConnectionError(str(error)) from error
        if not self._rest_until:
            logger.warning("Redis hands out no messages, trying on: %s", error)
        self._rest_until = time.monotonic() + REST

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
        self._stock(fetched.deliveries)

    # -- what Celery asks for ---------

    def send_returns(self) -> None:
        """Send what goes back now, if this channel still can; else the table's thread does it in a moment."""
        if self.closed:
            return
        try:
            self.table.flush(self.redis)
            for queue in self._expires:
                self._touch(queue)
        except (clients.RedisError, OSError) as error:
            logger.warning("Messages go back when Redis is there again: %s", error)

    def wake(self) -> None:
        """Look again."""
        if self.connection is not None:
            self.connection.cycle.wake()

    def freed(self) -> None:
        """A slot is free: the thread that freed it takes the next message itself, or else the event loop looks again.

        The loop's own thread does so before it waits.
        """
        self._ask_at = 0.0
        cycle = self.connection.cycle if self.connection is not None else None
        if cycle is None or cycle.in_loop_thread:
            return
        if cycle.in_loop and self._surplus:
            self._deliver_here()
        if not self._surplus or (not self._in_poll and self._fetching and self._runs_low()):
            cycle.wake()

    # -- the rest ---------

    def _connparams(self, asynchronous: bool = False) -> Any:
        """A submit is one round trip: only what waits at a doorbell or listens is asked whether it still lives."""
        params = super()._connparams(asynchronous)
        if not asynchronous:
            params["health_check_interval"] = 0
        return params

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        self._get_unacknowledged = no_ack
        return super().basic_get(queue, no_ack, **kwargs)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        lists = [
            (self.global_keyprefix + self._q_for_pri(queue, pri), queue, not self._get_unacknowledged)
            for pri in self.priority_steps
        ]
        acks = self.table.take_acks()
        try:
            fetched = moves.fetch(self.redis, self.space, 1, lists, acks)
        except BaseException:
            self.table.return_acks(acks)
            raise
        self.table.add(d.token for d in fetched.deliveries if d.token)
        self._touch(queue)
        for delivery in fetched.deliveries:
            payload = self._payload(delivery)
            if payload is not None:
                return payload
        raise Empty

    def close(self) -> None:
        with self._delivering:  # no thread of a job hands over while the consumer goes
            if not self.closed and self.connection is not None:
                self.table.unwatch(self)
                if self._in_poll and not self._in_fetch:
                    self.client.connection.disconnect()  # nothing is lost with a doorbell's reply
                try:
                    self.table.give_up(self.table.unbegun(self.qos._delivered))  # before the surplus: they were first
                    self._give_back_surplus()
                    self._let_go()
                except (clients.RedisError, OSError) as error:
                    # leases run out by themselves, acknowledgements wait for the next connection
                    logger.warning("Closing a channel while Redis is away: %s", error)
            try:
                super().close()
            except self.connection_errors:  # the reply on its way does not come any more
                super().close()


class SentinelChannel(Channel, kombu_redis.SentinelChannel):
    """The same over Sentinel."""

    from_transport_options = Channel.from_transport_options + kombu_redis.SentinelChannel.from_transport_options
