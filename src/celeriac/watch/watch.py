"""Waits for jobs on behalf of many requests and streams, with one connection and one thread per process."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from celeriac.errors import StreamsTaken
from celeriac.store.moves import Space
from celeriac.watch import feed, serving
from celeriac.watch.everyone import mine
from celeriac.watch.feed import Wish
from celeriac.watch.line import Line
from celeriac.watch.position import Position
from celeriac.watch.reader import Hearing, Reader
from celeriac.watch.stream import Stream

T = TypeVar("T")

LOOK = 2.0  # seconds between two looks when nobody wakes us
GATE = 8  # streams that may look back at once: a thousand come back together after a restart


class Watch:
    """At most `places` requests may wait and `streams` be open at once, fewer where the server could not answer others
    any more; who finds no place looks once, who finds no stream is sent away. A forked child starts anew."""

    def __init__(
        self,
        open_hearing: Callable[[], Hearing],
        places: int,
        *,
        client: Any = None,
        space: Space | None = None,
        streams: int = 0,
        age: float = 900.0,
        name: Callable[[str], str] = str,
    ) -> None:
        self._places, self._most, self._age = places, streams, age
        self._client, self._space = client, space or Space()
        self._make = functools.partial(Reader, open_hearing, client, self._space, name)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._gate = threading.Semaphore(GATE)
        self._reader = self._make()
        self._taken = 0
        self._open: set[Stream] = set()

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place for as long as the block lasts; give False when all are taken."""
        self._mind_the_fork()
        with self._lock:
            free = self._taken < self._places and self._fits()
            self._taken += free
        try:
            yield free
        finally:
            with self._lock:
                self._taken -= free

    def until(self, id: str, seconds: float, look: Callable[[], T | None]) -> T | None:
        """Return what `look` returns first, asked again whenever something happens to the job; None after `seconds`,
        or when the server stops.

        Call it with a place.
        """
        deadline = time.monotonic() + seconds
        found = look()
        if found is not None:
            return found
        news = threading.Event()
        with self._reader.following(id, news):
            while (left := deadline - time.monotonic()) > 0 and not serving.is_stopping():
                news.wait(min(left, LOOK))
                news.clear()
                found = look()
                if found is not None:
                    break
        return found

    def stream(self, line: Line, sees: Callable[[str, str], bool]) -> Stream:
        """Take a stream for this client; close it, whatever happens. Raises StreamsTaken.

        Of a server that stops it is over at once: an error would keep browsers from coming back to the next one.
        """
        self._mind_the_fork()
        stream = Stream(line, sees, self._close, self._age)
        if serving.is_stopping():
            stream.stop()
            return stream
        with self._lock:
            if self._is_full():  # those who have left make room at once
                self._open -= {one for one in self._open if one.drop_if_gone()}
            if self._is_full():
                raise StreamsTaken("Every event stream of this server is taken.", "Ask for the job itself meanwhile.")
            self._open.add(stream)
        return stream

    @property
    def gate(self) -> threading.Semaphore:
        """What to hold while looking back, so that not all do at once."""
        return self._gate

    @property
    def streams(self) -> list[Stream]:
        """The streams that are open."""
        with self._lock:
            return list(self._open)

    def begin(self, stream: Stream, wish: Wish) -> bool:
        """Let the stream tell what happened since, and from now on. Returns False when everything was told before and
        nothing more will come. Raises BrokerUnavailable.
        """
        reader, number = self._reader, None
        reader.follow(stream, [id for id in wish.left if id not in wish.hidden], wish.everyone)
        start = feed.start(self._client, self._space, wish.left, wish.hidden)
        at = Position(start.before)
        if wish.everyone:
            number, found = reader.everyone.after(wish.journal)
            at.journal = min(number if wish.journal is None else wish.journal, number - bool(found))
            start.events += mine(stream, found)
        stream.begin(at, start.events, start.ended)
        reader.go_on(start.after, number)
        return not stream.is_done

    def end_streams(self) -> None:
        """End every stream at once, as when the server stops; their clients come back."""
        for stream in self.streams:
            stream.stop()

    def _close(self, stream: Stream) -> None:
        with self._lock:
            self._open.discard(stream)
        self._reader.leave(stream)

    def _is_full(self) -> bool:
        return len(self._open) >= self._most or not self._fits()

    def _fits(self) -> bool:
        room = serving.room()
        return room is None or self._taken + len(self._open) < room

    def _mind_the_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()
