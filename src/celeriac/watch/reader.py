"""The one thread of a process that hears of jobs, reads what is new of those that are watched, and tells it.

1. News only wakes. What happened is read by number, for all jobs that were woken, at most every 50 ms.
2. Every few seconds every watched job is looked at, in case news was lost; a lost connection is opened anew.
3. Ten times a second it looks whether the server was told to stop, once a second which silent clients have left.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from celeriac.errors import BrokerError
from celeriac.store.clients import RedisError
from celeriac.store.moves import Space
from celeriac.watch import everyone, feed, serving
from celeriac.watch.everyone import Everyone
from celeriac.watch.feed import Feed
from celeriac.watch.stream import Stream

logger = logging.getLogger(__name__)

PACE = 0.05  # seconds between two readings
BEAT = 0.1  # seconds between two looks at the server
SWEEP = 1.0  # seconds between two looks at the clients
MOST_LOOKS = 200  # clients looked at in one go: thousands would hold up the news
NET = 5.0  # seconds between two looks at every watched job
PAUSE = 1.0  # seconds before a lost connection is opened anew


class Hearing(Protocol):
    """What tells that something happened to a job (store/wakes.py)."""

    def follow(self, id: str) -> None: ...
    def leave(self, id: str) -> None: ...
    def hear(self, ids: Iterable[str], seconds: float) -> set[str]: ...
    def close(self) -> None: ...


class Reader:
    """Starts its thread with the first who asks; with nobody left the thread sleeps."""

    def __init__(
        self, open_hearing: Callable[[], Hearing], client: Any, space: Space, name: Callable[[str], str]
    ) -> None:
        self._open_hearing, self._client, self._space = open_hearing, client, space
        self.everyone = Everyone(client, space, name)
        self._lock = threading.Condition()
        self._waiting: dict[str, set[threading.Event]] = {}
        self._feeds: dict[str, Feed] = {}
        self._woken: set[str] = set()
        self._hearing: Hearing | None = None
        self._thread: threading.Thread | None = None
        self._unseen: list[Stream] = []
        self._due = dict.fromkeys(("read", "sweep", "net", "journal"), 0.0)

    # -- called by requests ---------

    @contextmanager
    def following(self, id: str, news: threading.Event) -> Iterator[None]:
        """Set the event whenever something may have happened to the job."""
        with self._lock:
            hearing = self._hear()
            self._waiting.setdefault(id, set()).add(news)
            self._lock.notify()
            hearing.follow(id)  # for each who waits: the server's confirmation wakes them for another look
        try:
            yield
        finally:
            with self._lock:
                self._waiting[id].discard(news)
                if not self._waiting[id]:
                    del self._waiting[id]
                    self._forget(hearing, id)

    def follow(self, stream: Stream, ids: Iterable[str], everyone: bool) -> None:
        """Tell the stream what happens to these jobs, or to all; what happened before it reads itself."""
        with self._lock:
            hearing = self._hear()
            stream.followed = tuple(ids)
            for id in stream.followed:
                self._feeds.setdefault(id, Feed()).streams.add(stream)
                hearing.follow(id)
            if everyone:
                self.everyone.streams.add(stream)
            self._lock.notify()

    def go_on(self, read: Mapping[str, int], journal: int | None) -> None:
        """Tell from these numbers on, where nothing was told yet."""
        with self._lock:
            for id, seq in read.items():
                found = self._feeds.get(id)
                if found and found.seq is None:
                    found.seq = seq
                    self._woken.add(id)  # its news may have been heard before
            if self.everyone.number is None:
                self.everyone.number = journal

    def leave(self, stream: Stream) -> None:
        """Tell the stream no more."""
        with self._lock:
            for id in stream.followed:
                found = self._feeds.get(id)
                if found and stream in found.streams:
                    found.streams.remove(stream)
                    if not found.streams:
                        del self._feeds[id]
                        self._forget(self._hear(), id)
            self.everyone.streams.discard(stream)
            if not self.everyone.streams:
                self.everyone.number = None

    def _hear(self) -> Hearing:
        if self._hearing is None:
            self._hearing = self._open_hearing()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(self._hearing,), name="celeriac-watch", daemon=True)
            self._thread.start()
        return self._hearing

    def _forget(self, hearing: Hearing, id: str) -> None:
        if id not in self._waiting and id not in self._feeds:
            hearing.leave(id)

    # -- the thread ---------

    def _run(self, hearing: Hearing) -> None:
        deaf = False  # said once, however long Redis is away
        while True:
            with self._lock:
                while not (self._waiting or self._feeds or self.everyone.streams):
                    self._lock.wait()
                ids = [*self._waiting, *self._feeds]
                wait = 0.0 if self._woken else BEAT
            if self._woken:  # what is heard meanwhile is read together
                time.sleep(min(BEAT, max(0.0, self._due["read"] - time.monotonic())))
            try:
                self._note(hearing, hearing.hear(ids, wait))
                self._work()
                if deaf:
                    deaf = False
                    logger.warning("News of jobs are heard again.")
            except (BrokerError, RedisError, OSError, ValueError) as error:
                if not deaf:
                    deaf = True
                    logger.warning("News of jobs cannot be heard for a while: %s", error)
                hearing.close()
                self._rest()

    def _note(self, hearing: Hearing, heard: set[str]) -> None:
        with self._lock:
            for id in heard:
                for news in self._waiting.get(id, ()):
                    news.set()
                if id in self._feeds:
                    self._woken.add(id)
                self._forget(hearing, id)  # if all left while the connection was opened

    def _work(self) -> None:
        """Do what is due."""
        self._look_around()
        if self._is_due("net", NET):
            with self._lock:
                self._woken.update(self._feeds)
        if self._woken and self._is_due("read", PACE):
            began = time.monotonic()
            self._read()
            now = time.monotonic()
            self._due["read"] = max(self._due["read"], now + min(BEAT, 2 * (now - began)))  # leaves time to others
        if self.everyone.streams and self._is_due("journal", everyone.PACE):
            self._read_journal()

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _read(self) -> None:
        with self._lock:
            after = {id: f.seq for id in self._woken if (f := self._feeds.get(id)) and f.seq is not None}
            self._woken.clear()
        try:
            told = feed.read(self._client, self._space, after)
        except BaseException:
            with self._lock:
                self._woken.update(after)
            raise
        for id, (seq, events) in told.items():
            with self._lock:
                found = self._feeds.get(id)
                if found is None or found.seq != after[id]:
                    continue  # all have left, and others may have come
                found.seq = seq
                streams = list(found.streams)
            if events != []:
                feed.tell(streams, events)

    def _read_journal(self) -> None:
        with self._lock:
            before = self.everyone.number
        if before is None:
            return
        number, found = self.everyone.after(before)
        with self._lock:
            if self.everyone.number != before:
                return
            self.everyone.number = number
            streams = list(self.everyone.streams)
        self.everyone.tell(number, found, streams)

    def _look_around(self) -> None:
        """End every stream when the server stops; end those whose client has left."""
        stopping, sweep = serving.is_stopping(), self._is_due("sweep", SWEEP)
        if stopping or sweep:
            with self._lock:
                streams = self.everyone.streams.union(*(f.streams for f in self._feeds.values()))
                waiting = [news for events in self._waiting.values() for news in events] if stopping else []
            for event in waiting:
                event.set()
            if stopping:
                for stream in streams:
                    stream.stop()
            elif not self._unseen:
                self._unseen = list(streams)
        for stream in self._unseen[-MOST_LOOKS:]:
            stream.look()
        del self._unseen[-MOST_LOOKS:]

    def _rest(self) -> None:
        """Wait a little, with an eye on the server."""
        until = time.monotonic() + PAUSE
        while time.monotonic() < until:
            self._look_around()
            time.sleep(BEAT)
