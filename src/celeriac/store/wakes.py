"""Speaks Redis: one connection that hears when something happened to any of the jobs it follows.

Whoever waits for a job says `follow` from their own thread; one thread alone calls `hear`. That a job is followed is
itself heard, as news of it: what happened before that moment must be looked up, what happens later wakes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from celeriac.store.clients import RedisError, from_url
from celeriac.store.moves import Space

HEARD = (b"message", b"subscribe")
MOST = 1000  # pieces of news heard at once


class Wakes:
    """See the module. Nothing is opened before the first `hear`."""

    def __init__(self, url: str, space: Space, timeout: float = 2.0) -> None:
        self._prefix = f"{space.keys}wake:"
        self._pool = from_url(url, timeout, protocol=2).connection_pool  # news as plain replies
        self._connection: Any = None
        self._sending = threading.Lock()

    def follow(self, id: str) -> None:
        """Hear of this job from now on; when the connection is gone, `hear` says so."""
        self._send("SUBSCRIBE", [id])

    def leave(self, id: str) -> None:
        """Hear of this job no more."""
        self._send("UNSUBSCRIBE", [id])

    def hear(self, ids: Iterable[str], seconds: float) -> set[str]:
        """Return the ids of jobs that there is news of, after the first of it; none when there was none in time.

        `ids` are followed anew when the connection has to be opened. Raises RedisError, OSError.
        """
        connection = self._connection or self._open(ids)
        heard: set[str] = set()
        for _ in range(MOST):
            if not connection.can_read(timeout=0 if heard else seconds):
                break
            kind, channel, *_ = connection.read_response(timeout=seconds)
            if kind in HEARD:
                heard.add(channel.decode(errors="replace").removeprefix(self._prefix))
        return heard

    def close(self) -> None:
        """Give the connection up; the next `hear` opens another."""
        with self._sending:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _open(self, ids: Iterable[str]) -> Any:
        connection: Any = self._pool.make_connection()
        connection.connect()
        with self._sending:
            self._connection = connection
        for id in ids:
            self.follow(id)
        return connection

    def _send(self, word: str, ids: list[str]) -> None:
        with self._sending:
            if self._connection is None:
                return
            try:
                self._connection.send_command(word, *(self._prefix + id for id in ids), check_health=False)
            except (RedisError, OSError):
                self._connection.disconnect()  # its reader notices, and follows everything anew on another one
                self._connection = None
