"""Drives the store's moves by hand against a server with a backlog; the one benchmark that looks inside ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from celeriac.job import Move
from celeriac.store import moves, queues, record
from celeriac.store.batch import TOGETHER
from celeriac.store.moves import Space, Submission
from celeriac.store.record import Again
from celeriac.store.scripts import script

QUEUE = "celery"
PIECE = 32  # messages that one move promotes or reclaims: SWEEP of store/moves/lib.lua
MOVES = (
    "submit", "fetch 1", "fetch 64", f"finish {TOGETHER}", f"promote {PIECE}", f"reclaim {PIECE}", "tend 128",
    f"purge {queues.MOVED}", f"release {queues.MOVED} delayed", f"release {queues.MOVED} in flight", "requeue",
    "pause", "resume",
)  # fmt: skip
OURS = ("state", "task", "queue", "retries", "tag", "reason", "created_at", "pos", "seq", "fence", "due")
TURNS = 1000


class Backlog:
    """A server that already holds one job, submitted by the product; every other message is made after it."""

    def __init__(self, client: Redis, pid: int) -> None:
        self._client, self._made = client, 0
        self._acks: list[str] = []
        self._clock = Path(f"/proc/{pid}/task/{pid}/schedstat")
        raw = client.lindex(QUEUE, 0)
        assert isinstance(raw, bytes)
        self._raw = raw.decode()
        key = next(iter(client.scan_iter("celeriac:job:*", count=1000)))
        record = {name.decode(): value for name, value in client.hgetall(key).items()}
        self._id, self._tag = key.decode().rpartition(":")[2], record["tag"].decode()
        self._task = record["task"].decode()
        self._fields = {name: value for name, value in record.items() if name not in OURS}
        moves.load_publish(client)

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
        """The server's CPU milliseconds for each call of every move."""
        self._wait_for_rewrite()
        times = [self._submitted(), self._fetched(1, TURNS), self._fetched(64, TURNS // 20)]
        moves.settle(self._client, Space(), self._acks)
        self._acks.clear()
        times += [self._finished(20), self._promoted(30), self._reclaimed(20), self._tended(20), self._purged(20)]
        times += [self._released("delayed", 20), self._released("inflight", 20), self._requeued(200)]
        times += list(self._paused(100))
        return dict(zip(MOVES, times, strict=True))

    def _submitted(self) -> list[float]:
        made = [self._submission(None) for _ in range(TURNS)]
        return [self._cost(moves.publish, self._client, Space(), submission)[0] for submission in made]

    def _fetched(self, n: int, turns: int) -> list[float]:
        """Fetch n at a time, acknowledging what the fetch before brought."""
        self.fill(n * turns, None)
        times = []
        for _ in range(turns):
            spent, reply = self._cost(moves.fetch, self._client, Space(), n, [(QUEUE, QUEUE, True)], self._acks)
            self._acks = [delivery.token for delivery in reply.deliveries]
            times.append(spent)
        return times

    def _finished(self, turns: int) -> list[float]:
        """End as many jobs in each move as a worker does at most."""
        return [self._cost(self._end, tokens, Move.SUCCEED)[0] for tokens in self._taken(turns, TOGETHER)]

    def _taken(self, turns: int, n: int) -> list[list[str]]:
        """Put so many deliveries in flight, n at a time."""
        self.fill(n * turns, None)
        fetched = [moves.fetch(self._client, Space(), n, [(QUEUE, QUEUE, True)]) for _ in range(turns)]
        return [[delivery.token for delivery in each.deliveries] for each in fetched]

    def _end(self, tokens: list[str], move: Move) -> None:
        ends = [moves.Finish(id, move, int(fence), "{}") for id, _, fence in (t.rpartition(":") for t in tokens)]
        script("finish")(self._client, *Space().head(), *(word for end in ends for word in end.words()))

    def _tended(self, turns: int) -> list[float]:
        """Renew the leases of a worker that has twice a batch in hand."""
        [tokens] = self._taken(1, 128)
        times = [self._cost(moves.tend, self._client, Space(), tokens, "bench", "{}")[0] for _ in range(turns)]
        moves.settle(self._client, Space(), tokens)
        return times

    def _purged(self, turns: int) -> list[float]:
        self.fill(turns * queues.MOVED, None)
        args = (*Space().head(), QUEUE, QUEUE, queues.MOVED, "purged", queues.revoked("@ID@", "purged"))
        return [self._cost(script("purge"), self._client, *args)[0] for _ in range(turns)]

    def _released(self, which: str, turns: int) -> list[float]:
        if which == "delayed":
            self.fill(turns * queues.MOVED, 86_000.0)
        else:
            self._taken(turns, queues.MOVED)
        args = (*Space().head(), which, queues.MOVED)
        return [self._cost(script("release"), self._client, *args)[0] for _ in range(turns)]

    def _requeued(self, turns: int) -> list[float]:
        """Let jobs that failed run again, one in each move."""
        times = []
        for tokens in self._taken(turns, 1):
            self._end(tokens, Move.FAIL)
            id, raw = tokens[0].rpartition(":")[0], self._raw
            again = Again(QUEUE, QUEUE, raw, self._task, 0, f"{id}-again", "retried")
            times.append(self._cost(record.resubmit, self._client, Space(), id, again)[0])
        return times

    def _paused(self, turns: int) -> tuple[list[float], list[float]]:
        call, space = self._cost, Space()
        pairs = [(call(queues.pause, self._client, space, QUEUE), call(queues.resume, self._client, space, QUEUE))
                 for _ in range(turns)]  # fmt: skip
        return [pause for (pause, _), _ in pairs], [resume for _, (resume, _) in pairs]

    def _promoted(self, turns: int) -> list[float]:
        self.fill(turns * PIECE, 0.001)
        time.sleep(0.1)  # until the last of them is due: each move must find as many as it takes
        return [self._cost(moves.tend, self._client, Space(), [])[0] for _ in range(turns)]

    def _reclaimed(self, turns: int) -> list[float]:
        """Lose deliveries under a lease of one second; only moves that reclaimed a whole piece count."""
        short, times = Space(lease=1.0), []
        self.fill(turns * PIECE, None)
        for _ in range(turns):
            moves.fetch(self._client, short, PIECE, [(QUEUE, QUEUE, True)])
        deadline = time.monotonic() + 45  # nothing is reclaimed for one full lease after a pause
        while self._client.zcard("celeriac:inflight") and time.monotonic() < deadline:
            before = self._count()
            spent, _ = self._cost(moves.tend, self._client, short, [])
            if self._count() - before == PIECE:
                times.append(spent)
            time.sleep(0.11)  # all workers together sweep once in a tenth of a lease
        return times

    def _count(self) -> int:
        return int(self._client.hget("celeriac:stats", "reclaimed") or 0)

    def _cost(self, call: Callable[..., Any], *args: Any) -> tuple[float, Any]:
        """CPU milliseconds of the server's main thread for one call, and the call's reply."""
        before = self._busy()
        reply = call(*args)
        return (self._busy() - before) / 1e6, reply

    def _busy(self) -> int:
        """Nanoseconds on a processor; the server sleeps when this is read, so the figure is whole."""
        return int(self._clock.read_text().split()[0])

    def _wait_for_rewrite(self) -> None:
        """Let a rewrite of the append-only file end: its copies of pages would be counted as ours."""
        deadline = time.monotonic() + 120
        while self._client.info("persistence")["aof_rewrite_in_progress"] and time.monotonic() < deadline:
            time.sleep(0.2)

    def _submission(self, delay: float | None) -> Submission:
        self._made += 1
        id, tag = f"{self._made:08d}{self._id[8:]}", f"{self._made:08d}{self._tag[8:]}"
        raw = self._raw.replace(self._id, id).replace(self._tag, tag)
        fields = {"fields": self._fields, "tag": tag, "delay": delay}
        return Submission(QUEUE, QUEUE, raw, id, self._task, **fields)
