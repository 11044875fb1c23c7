"""Speaks kombu's delivery: hands a consumer what a fetch brought, in time, or not at all.

1. What a fetch brought is stocked; while slots are free it is handed over. More is asked for before nothing is left.
2. What waited longer than `hold` for a slot goes back, so that another worker can take it.
3. What nobody can read goes to the dead letters, what came too early to the delayed ones.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from functools import cached_property
from typing import Any

from celeriac.queue import message as envelope
from celeriac.queue.table import Table, table
from celeriac.store import clients, moves

logger = logging.getLogger(__name__)

CHUNK = 64  # messages ahead of the slots that one fetch asks for: it keeps the server for 1.5 ms
EARLY = 4  # so many ahead of the slots, and the next are asked for before these are all handed over
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)  # also what kombu makes of it


class Delivering:
    """The consuming half of a channel, after the fetch."""

    batch = 256
    hold = 0.2
    connection: Any
    qos: Any
    redis: Any
    space: moves.Space
    global_keyprefix: str
    _get_pool: Any
    _fetching: bool

    @cached_property
    def table(self) -> Table:
        """This process's deliveries on this broker."""
        manager: Any = self.__dict__.get("_sentinel_manager")
        pool = self._get_pool()
        self._sentinel_manager: Any = manager  # Sentinel's pools note their manager here; this one is the table's
        uri = self.connection.client.as_uri(include_password=True)
        return table(f"{uri}|{self.global_keyprefix}", self.space, lambda: clients.alone(pool))

    def _stock(self, deliveries: list[moves.Delivery] | None = None) -> None:
        """Add to the stock; make it, when nothing is given."""
        if deliveries is None:
            self._surplus: deque[moves.Delivery] = deque()
            self._batches: deque[tuple[float, int]] = deque()  # when it came (monotonic), how many had come with it
            self._came = self._went = 0
            self._ahead = 1
            self._delivering = threading.RLock()
            return
        self.table.add(d.token for d in deliveries if d.token)
        if not deliveries:
            return
        with self.table.lock:
            self._surplus.extend(deliveries)
            self._came += len(deliveries)
            self._batches.append((time.monotonic(), self._came))

    def wants(self) -> bool:
        """Whether to ask for messages now."""
        return bool(self.qos.can_consume()) or (self._fetching and self._runs_low())

    def _room(self) -> int:
        """Return how many messages the stock has room for."""
        return max(0, min(self._ahead, self.batch) - len(self._surplus))

    def _runs_low(self) -> bool:
        """Whether it is time to ask for more although no slot is free: a thread that is done should not wait."""
        return self._ahead >= EARLY and self._room() >= min(CHUNK, self._ahead // 2) and self.table.hooks.beside

    def deliver(self, limit: int | None = None) -> int:
        """Hand over what is in stock while slots are free; return how many. Called by one thread at a time."""
        handed = 0
        with self._delivering:
            while self._surplus and (limit is None or handed < limit) and self.qos.can_consume():
                delivery = self._next()
                if delivery is None:
                    break
                try:
                    handed += self._hand_over(delivery)
                except BaseException:
                    if delivery.token not in self.qos._delivered:  # nobody has it: it must not stay leased for ever
                        self.table.give_up([delivery.token])
                    raise
        return handed

    def _next(self) -> moves.Delivery | None:
        """Take the first out of the stock."""
        with self.table.lock:
            if not self._surplus:
                return None
            self._went += 1
            if self._batches[0][1] <= self._went:
                came, _ = self._batches.popleft()
                if time.monotonic() - came < self.hold / 2:  # it went well in time: more may be in stock
                    self._ahead = min(max(1, self._ahead * 2), max(1, self.batch))
            return self._surplus.popleft()

    def _clear(self) -> list[str]:
        """Take everything out of the stock, and return the tokens; under the table's lock."""
        tokens = [d.token for d in self._surplus if d.token]
        self._surplus.clear()
        self._batches.clear()
        self._went = self._came
        return tokens

    def _deliver_here(self) -> None:
        """Hand over one message on a job's thread, whose job has ended well whatever becomes of this one."""
        try:
            self.deliver(1)
        except Exception:
            logger.exception("A message could not be handed over; it goes back to its queue.")

    def _hand_over(self, delivery: moves.Delivery) -> bool:
        payload = self._payload(delivery)
        if payload is None:
            return False
        if delivery.queue not in self.connection._callbacks:  # its consumer was cancelled meanwhile
            self.table.give_up([delivery.token])
            return False
        try:
            self.connection._deliver(payload, delivery.queue)
        except UNREADABLE as error:
            if not self.table.holds(delivery.token) or delivery.token in self.qos._delivered:
                raise
            self.bury(delivery.token, f"unreadable message: {error!r:.200}")
            return False
        return True

    def _payload(self, delivery: moves.Delivery) -> Any:
        """Return the message as kombu expects it, or None when it went elsewhere instead."""
        try:
            payload = envelope.read(delivery.raw)
            if not delivery.token:
                return payload
            headers = payload.setdefault("headers", {})
            delay = None if delivery.delayed or not headers.get("eta") else envelope.delay_of(headers)
            if "task" in headers:
                headers[envelope.LEASE_HEADER] = delivery.token
            if delivery.delayed:
                headers["eta"] = None  # it has waited here; Celery would put even a past ETA on its timer
            payload["properties"]["delivery_tag"] = delivery.token
            payload["properties"]["delivery_info"]["redelivered"] = delivery.losses > 0
        except UNREADABLE as error:
            if delivery.token:
                self.bury(delivery.token, f"unreadable message: {error!r:.200}")
            return None
        if delay is not None:  # a stock producer's ETA is ours to wait for
            moves.defer(self.redis, self.space, delivery.token, delay)
            self.table.finish(delivery.token)
            return None
        return payload

    def overdue(self, now: float) -> list[str]:
        """Take what waited longer than `hold` out of the surplus; called by the table's thread."""
        with self.table.lock:
            if not self._surplus or now - self._batches[0][0] < self.hold:
                return []
            known_here = [d for d in self._surplus if not d.token]  # Redis knows these no more
            tokens = self._clear()
            self._ahead = self._ahead // 2
            if known_here:
                self._surplus.extend(known_here)
                self._came += len(known_here)
                self._batches.append((now, self._came))
        self._fetching = True
        return tokens

    def bury(self, token: str, reason: str) -> None:
        """Dead-letter a delivery that cannot run."""
        moves.bury(self.redis, self.space, token, reason, close=True)
        self.table.finish(token)

    def _give_back_surplus(self) -> None:
        with self.table.lock:
            tokens = self._clear()
        self.table.give_up(tokens)
        self.table.flush(self.redis)
