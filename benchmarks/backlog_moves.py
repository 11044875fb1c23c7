"""Drives the store's moves by hand against a server with a backlog; the one benchmark that looks inside ours."""

from __future__ import annotations

import time
from typing import Any

from redis import Redis

from celeriac.store import moves
from celeriac.store.moves import Space, Submission

QUEUE = "celery"
MOVES = ("submit", "fetch 1", "fetch 64", "promote 100", "reclaim 100")
OURS = ("state", "task", "queue", "retries", "tag", "reason", "created_at", "pos", "seq", "fence", "due")
TURNS = 1000


class Backlog:
    """A server that already holds one job, submitted by the product; every other message is made after it."""

    def __init__(self, client: Redis) -> None:
        self._client, self._made, self._acks = client, 0, [""]
        client.config_set("slowlog-max-len", 100_000)
        raw = client.lindex(QUEUE, 0)
        assert isinstance(raw, bytes)
        self._raw = raw.decode()
        key = next(iter(client.scan_iter("celeriac:job:*", count=1000)))
        record = {name.decode(): value for name, value in client.hgetall(key).items()}
        self._id, self._tag = key.decode().rpartition(":")[2], record["tag"].decode()
        self._task = record["task"].decode()
        self._fields = {name: value for name, value in record.items() if name not in OURS}
        moves.load_publish(client)
        self._acks.clear()

    def fill(self, number: int, delay: float | None) -> None:
        """Publish so many messages, a thousand in each pipeline."""
        space = Space()
        for start in range(0, number, 1000):
            pipe = self._client.pipeline(transaction=False)
            for _ in range(min(1000, number - start)):
                pipe.execute_command(*moves.publish_words(space, self._submission(delay)))
            pipe.execute()

    def used_memory(self) -> int:
        """Bytes that the server uses for data."""
        return int(self._client.info("memory")["used_memory"])

    def survey(self) -> dict[str, list[float]]:
        """The server's milliseconds for each call of every move."""
        found = {"submit": self._timed(self._submit), "fetch 1": self._timed(lambda: self._fetch(1, TURNS))}
        found["fetch 64"] = self._timed(lambda: self._fetch(64, TURNS // 20))
        moves.settle(self._client, Space(), self._acks)
        self._acks.clear()
        self.fill(30 * 100, 0.001)
        time.sleep(0.1)  # until the last of them is due: the promote below must find a hundred each time
        found["promote 100"] = self._timed(lambda: self._tend(30))
        found["reclaim 100"] = self._reclaimed()
        return found

    def _submit(self) -> None:
        for _ in range(TURNS):
            moves.publish(self._client, Space(), self._submission(None))

    def _fetch(self, n: int, turns: int) -> None:
        """Fetch n at a time, acknowledging what the fetch before brought."""
        self.fill(n * turns, None)
        self._client.slowlog_reset()
        for _ in range(turns):
            reply = moves.fetch(self._client, Space(), n, [(QUEUE, QUEUE, True)], self._acks)
            self._acks = [delivery.token for delivery in reply.deliveries]

    def _tend(self, turns: int) -> None:
        for _ in range(turns):
            moves.tend(self._client, Space(), [])

    def _reclaimed(self) -> list[float]:
        """Lose two thousand deliveries under a lease of one second; only moves that reclaimed a hundred count."""
        short, times = Space(lease=1.0), []
        self.fill(2000, None)
        for _ in range(20):
            moves.fetch(self._client, short, 100, [(QUEUE, QUEUE, True)])
        deadline = time.monotonic() + 45  # nothing is reclaimed for one full lease after a pause
        while self._client.zcard("celeriac:inflight") and time.monotonic() < deadline:
            before = self._count()
            spent = self._timed(lambda: moves.tend(self._client, short, []))
            if self._count() - before == 100:
                times += spent
            time.sleep(0.11)  # all workers together sweep once in a tenth of a lease
        return times

    def _count(self) -> int:
        return int(self._client.hget("celeriac:stats", "reclaimed") or 0)

    def _timed(self, call: Any) -> list[float]:
        """Milliseconds of every move in the server's slow log."""
        self._client.config_set("slowlog-log-slower-than", 0)
        self._client.slowlog_reset()
        call()
        entries = self._client.slowlog_get(100_000)
        self._client.config_set("slowlog-log-slower-than", -1)
        return [e["duration"] / 1000 for e in entries if e["command"].lower().startswith(b"evalsha")]

    def _submission(self, delay: float | None) -> Submission:
        self._made += 1
        id, tag = f"{self._made:08d}{self._id[8:]}", f"{self._made:08d}{self._tag[8:]}"
        raw = self._raw.replace(self._id, id).replace(self._tag, tag)
        fields = {"fields": self._fields, "tag": tag, "delay": delay}
        return Submission(QUEUE, QUEUE, raw, id, self._task, **fields)
