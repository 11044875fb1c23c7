"""Speaks kombu for the transport: the process's table of deliveries and the native thread that renews their leases.

1. A channel adds what it fetched, hands it to its consumer, or gives it back unread.
2. `ack` ends a delivery here at once and on the server with the next fetch, or within a tick by the thread.
3. The thread renews every lease, returns what waited too long for a free slot, and hears of cancellations.

The table belongs to the process, not to a channel: after a reconnect running jobs are still leased and acknowledged.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from celeriac.queue import native
from celeriac.queue.held import Held, Hooks, Return, Surplus
from celeriac.store import moves
from celeriac.store.clients import RedisError

logger = logging.getLogger(__name__)

TICK = 0.05  # acknowledgements that found no fetch to ride on wait this long


@dataclass(slots=True)
class Table:
    """Deliveries of one process on one broker."""

    space: moves.Space
    connect: Callable[[], Any]
    pid: int = field(default_factory=os.getpid)
    hooks: Hooks = field(default_factory=Hooks)
    worker: str = ""
    info: Callable[[], str] = lambda: "{}"
    stopping: bool = False
    closed: bool = False
    _held: dict[str, Held] = field(default_factory=dict)
    _acks: list[str] = field(default_factory=list)
    _returns: list[Return] = field(default_factory=list)
    _channels: list[Surplus] = field(default_factory=list)
    lock: Any = field(default_factory=native.lock)
    _running: bool = False
    _told: set[str] = field(default_factory=set)

    def add(self, tokens: Iterable[str]) -> None:
        """Hold what a fetch put in flight."""
        with self.lock:
            for token in tokens:
                self._held[token] = Held()
        self._ensure_thread()

    def begin(self, token: str, once: bool = False) -> None:
        """Note that user code may run now: this delivery is not given back when a channel closes.

        `once`: its consumer acknowledges before the end; the lease is kept until then, for its loss to be seen.
        """
        held = self._held.get(token)
        if held is not None:
            held.begun, held.once = True, once

    def hand(self, token: str) -> None:
        """Note that the delivery goes to the pool."""
        held = self._held.get(token)
        if held is not None:
            held.handed = True

    def lose(self, token: str) -> None:
        """Note that the process which ran it died: giving it back counts as a lost attempt."""
        with self.lock:
            if token in self._held:
                self._held[token].lost = True

    def is_lost(self, token: str) -> bool:
        held = self._held.get(token)
        return held is not None and held.lost

    def finish(self, token: str) -> None:
        """Note that the job's end was written together with its acknowledgement."""
        with self.lock:
            self._held.pop(token, None)

    def ack(self, token: str) -> None:
        """End a delivery; the server hears of it with the next fetch or tick, if it has not with the job's end."""
        if token not in self._held:
            return
        with self.lock:
            held = self._held.get(token)
            if held is not None and not held.once:
                del self._held[token]
                self._acks.append(token)
        self._ensure_thread()

    def holds(self, token: str) -> bool:
        """Return whether this process still owns the delivery."""
        return token in self._held

    def take_acks(self) -> list[str]:
        """Return the acknowledgements that are to ride along, and forget them."""
        with self.lock:
            acks, self._acks = self._acks, []
            return acks

    def return_acks(self, acks: list[str]) -> None:
        """Take back acknowledgements whose fetch failed."""
        with self.lock:
            self._acks = acks + self._acks
        if acks:
            self._ensure_thread()

    def give_up(self, tokens: Iterable[str]) -> None:
        """Hold these no longer: they go back to the head of their queue as soon as Redis takes them."""
        self.send_back([Return(token) for token in tokens])

    def send_back(self, returns: Iterable[Return]) -> None:
        """Hold these no longer: each goes where it says as soon as Redis takes it, on whatever connection."""
        with self.lock:
            known = [r for r in returns if self._held.pop(r.token, None) is not None]
            self._returns += known
        if known:
            self._ensure_thread()

    def tokens(self) -> list[str]:
        with self.lock:
            return list(self._held)

    def unbegun(self, tokens: Iterable[str]) -> list[str]:
        """Return those of the tokens that are held and never began, nor will in a pool that empties itself."""
        self.hooks.closing()
        with self.lock:
            held = [(token, self._held[token]) for token in tokens if token in self._held]
            return [token for token, h in held if not (h.begun or (h.handed and self.stopping))]

    def put_back(self, client: Any, tokens: list[str], why: str = "", lost: bool = False, tail: bool = False) -> None:
        """Return deliveries to their queue now. Raises redis.RedisError, and then still holds them."""
        if not tokens:
            return
        buried = moves.put_back(client, self.space, list(reversed(tokens)), why, lost, tail)
        with self.lock:
            for token in tokens:
                self._held.pop(token, None)
        for id, raw in buried:
            self.hooks.buried(id, raw)

    def watch(self, channel: Surplus) -> None:
        """Look after a consuming channel; start the native thread with the first."""
        with self.lock:
            if channel not in self._channels:
                self._channels.append(channel)
        self._ensure_thread()

    def wake(self) -> None:
        """End the present wait of the consuming channels; from any thread, or a signal's handler."""
        for channel in list(self._channels):
            channel.wake()

    def unwatch(self, channel: Surplus) -> None:
        with self.lock:
            if channel in self._channels:
                self._channels.remove(channel)

    def flush(self, client: Any) -> None:
        """Acknowledge and return what is pending. Raises redis.RedisError, and then still has it."""
        acks = self.take_acks()
        try:
            if acks:
                moves.settle(client, self.space, acks)
        except BaseException:
            self.return_acks(acks)
            raise
        with self.lock:
            returns, self._returns = self._returns, []
        try:
            while returns:
                returns = self._send(client, returns)
        except BaseException:
            with self.lock:
                self._returns = returns + self._returns
            raise

    def _send(self, client: Any, returns: list[Return]) -> list[Return]:
        """Send the first of these, and all that go the same way right after it; return the rest."""
        first = returns[0]
        if first.bury:
            moves.bury(client, self.space, first.token, first.why, close=True)
            return returns[1:]
        same = list(itertools.takewhile(lambda r: replace(r, token=first.token) == first, returns))
        for lost in same if first.lost else ():  # the process that died may not have lived to write its start
            moves.start(client, self.space, lost.token, self.worker, 0.0, "")
        self.put_back(client, [r.token for r in same], first.why, first.lost, first.tail)
        return returns[len(same) :]

    def close(self, client: Any, why: str) -> None:
        """Give back everything, begun or not, before the process ends; nothing is held afterwards."""
        self.closed = True
        self.flush(client)
        self.put_back(client, self.tokens(), why)

    def _run(self) -> None:
        client, due, silent = self.connect(), 0.0, False
        pace = min(1.0, self.space.lease / 4)
        while self._busy():
            native.sleep(min(TICK, self.space.lease / 10))
            now = time.monotonic()
            try:
                for channel in list(self._channels):
                    self.give_up(channel.overdue(now))
                self.flush(client)
                if now >= due:
                    due = now + pace
                    self._tend(client)
                    silent = False
            except RedisError as error:  # the consumer's own connection reports and repairs; the lease is renewed after
                if not silent:
                    logger.warning("Leases cannot be renewed: %s", error)
                silent = True
            except Exception:  # a mistake in a hook must not cost the leases
                logger.exception("The keeper of the leases goes on after a mistake")

    def _ensure_thread(self) -> None:
        with self.lock:
            if self._running or self.closed or os.getpid() != self.pid:
                return
            self._running = True
        native.start(self._run)

    def _busy(self) -> bool:
        """Decide under the lock whether the thread goes on, so that `watch` never misses its end."""
        with self.lock:
            pending = self._channels or self._held or self._acks or self._returns
            self._running = not self.closed and os.getpid() == self.pid and bool(pending)
            return self._running

    def _tend(self, client: Any) -> None:
        tokens = self.tokens()
        tended = moves.tend(client, self.space, tokens, self.worker, self.info())
        self.hooks.tended(tokens)
        for id, raw in tended.buried:
            self.hooks.buried(id, raw)
        for token in tended.gone:
            with self.lock:
                lost = self._held.pop(token, None)
            if lost is not None and token not in tended.ended:
                logger.warning("The lease of job %s ran out; its late result will be refused.", token)
                self.hooks.gone(token)
        for token in tended.cancelled:
            self.hooks.cancelled(token)


_tables: dict[tuple[int, str], Table] = {}


def table(key: str, space: moves.Space, connect: Callable[[], Any]) -> Table:
    """Return this process's table for a broker, made on first use; a forked child starts with an empty one."""
    pid = os.getpid()
    for old in [k for k in _tables if k[0] != pid]:
        del _tables[old]
    found = _tables.get((pid, key))
    if found is None:
        found = _tables[pid, key] = Table(space, connect)
    return found
