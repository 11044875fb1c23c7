"""Waits for jobs on behalf of many requests, with one connection and one thread per process."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from celeriac.store.clients import RedisError

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK = 2.0  # seconds between two looks when nobody wakes us
PAUSE = 1.0  # seconds before a lost connection is opened anew


class Hearing(Protocol):
    """What tells that something happened to a job (store/wakes.py)."""

    def follow(self, id: str) -> None: ...
    def leave(self, id: str) -> None: ...
    def hear(self, ids: list[str], seconds: float) -> str: ...
    def close(self) -> None: ...


class Watch:
    """At most `places` may wait at once; who finds no place looks once. A forked child starts anew."""

    def __init__(self, open_hearing: Callable[[], Hearing], places: int) -> None:
        self._open_hearing, self._places = open_hearing, places
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Condition()
        self._waiting: dict[str, set[threading.Event]] = {}
        self._hearing: Hearing | None = None
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place for as long as the block lasts; give False when all are taken."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            free = self._taken < self._places
            self._taken += free
        try:
            yield free
        finally:
            with self._lock:
                self._taken -= free

    def until(self, id: str, seconds: float, look: Callable[[], T | None]) -> T | None:
        """Return what `look` returns first, asked again whenever something happens to the job; None after `seconds`.

        Call it with a place.
        """
        deadline = time.monotonic() + seconds
        found = look()
        if found is not None:
            return found
        news = threading.Event()
        with self._following(id, news):
            while (left := deadline - time.monotonic()) > 0:
                news.wait(min(left, LOOK))
                news.clear()
                found = look()
                if found is not None:
                    break
        return found

    @contextmanager
    def _following(self, id: str, news: threading.Event) -> Iterator[None]:
        with self._lock:
            hearing = self._hear()
            others = self._waiting.setdefault(id, set())
            others.add(news)
            self._lock.notify()
            hearing.follow(id)  # for each who waits: the server's confirmation wakes them for another look
        try:
            yield
        finally:
            with self._lock:
                others.discard(news)
                if not others:
                    del self._waiting[id]
                    hearing.leave(id)

    def _hear(self) -> Hearing:
        if self._hearing is None:
            self._hearing = self._open_hearing()
            threading.Thread(target=self._run, args=(self._hearing,), name="celeriac-watch", daemon=True).start()
        return self._hearing

    def _run(self, hearing: Hearing) -> None:
        while True:
            with self._lock:
                while not self._waiting:
                    self._lock.wait()
                ids = list(self._waiting)
            try:
                id = hearing.hear(ids, LOOK)
            except (RedisError, OSError, ValueError) as error:
                logger.warning("News of jobs cannot be heard for a moment: %s", error)
                hearing.close()
                time.sleep(PAUSE)
                continue
            with self._lock:
                for news in self._waiting.get(id, ()):
                    news.set()
