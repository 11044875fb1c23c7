"""One client's stream of events, over any WSGI server. Pure but for threads: the wire is the server's.

The reader `tell`s, from its thread; the server takes what is to be sent, from its own, until the stream ends: all its
jobs have ended, the client has left or does not keep up, the server stops, or it is so old that who is allowed to watch
should be asked again. Whoever is cut off comes back with the id of the last event.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence

from celeriac.watch.event import Event, Kind
from celeriac.watch.line import Line
from celeriac.watch.position import Position

HEARTBEAT = 15.0  # seconds without an event after which a comment is sent
MOST, MOST_BYTES = 2000, 1 << 20  # events, and bytes, that may wait for a slow client
PART = 1 << 16  # bytes sent at once


class Stream:
    """See the module. `close` may be called more than once, and by any thread."""

    def __init__(
        self, line: Line, sees: Callable[[str, str], bool], leave: Callable[[Stream], None], age: float
    ) -> None:
        self.line, self.sees = line, sees
        self.followed: tuple[str, ...] = ()
        self.at = Position({})
        self.passed: int | None = None  # the journal was read up to here
        self._leave = leave
        self._left: set[str] = set()  # jobs that have not ended
        self._events: list[Event] = []
        self._bytes = 0
        self._news = threading.Lock()  # held while there is no news: an Event would cost twenty times as much memory
        self._news.acquire()
        self._over = self._greeted = self._alone = self._told = False
        self._ends = time.monotonic() + age * random.uniform(0.9, 1.0)

    def begin(self, at: Position, events: Sequence[Event], ended: set[str]) -> None:
        """Start after these numbers with what happened since; jobs that had `ended` are waited for no longer."""
        self.at, self._left = at, set(at.jobs) - ended
        self._alone = len(at.jobs) == 1 and at.journal is None
        self._events[:0] = events  # before what the reader told meanwhile; what is in both is taken once

    @property
    def is_over(self) -> bool:
        """Whether it ends, whatever was sent."""
        return self._over

    @property
    def is_done(self) -> bool:
        """Whether everything was sent, and nothing more will come."""
        return not (self._events or self._left) and self.at.journal is None

    def tell(self, events: Sequence[Event], number: int | None = None) -> None:
        """Add events; `number` is how far the journal was read for them. Drops a client that does not keep up."""
        if number is not None:
            self.passed = number
        self._events.extend(events)
        self._bytes += sum(len(event.body) for event in events)
        if len(events) < len(self._events) and (len(self._events) > MOST or self._bytes > MOST_BYTES):
            self.line.hang_up()
            self.stop()
        if events:
            self._told = True
            self._wake()

    def stop(self) -> None:
        """End it at once; the client comes back."""
        self._over = True
        self._wake()

    def drop_if_gone(self) -> bool:
        """End it if its client has left; return whether it has."""
        if gone := self.line.is_gone():
            self.stop()
        return gone

    def look(self) -> None:
        """End it if its client has left; who was told something since the last look leaves by not taking it."""
        told, self._told = self._told, False
        if not told:
            self.drop_if_gone()

    def close(self) -> None:
        """Let go of it."""
        self.stop()
        self._leave(self)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> bytes:
        if not self._greeted:
            self._greeted = True
            return b"retry: %d\n\n" % random.randint(1000, 3000)  # not all at once after a restart
        while not (self._over or self.is_done) and (left := self._ends - time.monotonic()) > 0:
            if part := self._part():
                return part
            if (
                not (self.is_done or self._over or self._news.acquire(timeout=min(HEARTBEAT, left)))
                and left > HEARTBEAT
            ):
                return self._heartbeat()
        raise StopIteration

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has news already
            self._news.release()

    def _part(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while self._events and size < PART and not self._over:
            event = self._events.pop(0)
            if self._take(event):
                parts.append(b"id: %s\n%s" % (str(self.at).encode(), event.body))
                size += len(parts[-1])
        self._bytes = 0 if not self._events else max(0, self._bytes - size)
        return b"".join(parts)

    def _take(self, event: Event) -> bool:
        """Move on to this event; False for one that was told before."""
        if event.everyone:
            if self.at.journal is None or event.number <= self.at.journal:
                return False
            self.at.journal = event.number
            return True
        if event.number <= self.at.jobs.get(event.job, event.number):
            return False
        self.at.jobs[event.job] = event.number
        if event.kind is Kind.END:
            self._left.discard(event.job)
            self._over = self._alone
        elif event.kind is not Kind.RESET:
            self._left.add(event.job)
        return True

    def _heartbeat(self) -> bytes:
        """A comment; for who watches all jobs also the place, which others' jobs move on as well."""
        if self.at.journal is None or self.passed is None or self._events:
            return b":\n\n"
        self.at.journal = max(self.at.journal, self.passed)
        return b"id: %s\n\n" % str(self.at).encode()
