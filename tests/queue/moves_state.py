"""What Redis holds between two moves, read in one go, and the rules that it must obey."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis

from celeriac.job import TERMINAL

SEP = "\x06\x16"  # kombu's, between a queue and its priority


class Expected(Protocol):
    """What the machine did with one job."""

    losses: int
    ended: str
    settled: bool


def facts(raw: bytes) -> dict[str, Any]:
    """Return a message's id, retries and tag; nothing for what is no message."""
    try:
        message = json.loads(raw)
        headers = message["headers"]
        return {"id": headers["id"], "retries": headers["retries"], "tag": message["properties"]["delivery_tag"]}
    except (ValueError, LookupError, TypeError):
        return {}


def _raw(value: bytes) -> bytes:
    return value.split(b"\n", 2)[2]


@dataclass
class Snapshot:
    """Messages by place and the bookkeeping beside them; `inflight` is token -> lease deadline (ms)."""

    now: int
    ready: dict[str, list[bytes]]
    inflight: dict[str, float]
    inflight_messages: dict[str, bytes]
    delayed: dict[str, float]
    delayed_messages: dict[str, bytes]
    dead: dict[str, float]
    dead_messages: dict[str, bytes]
    paused: set[str]
    bells: dict[str, int]
    swept: float
    grace: float
    counts: dict[str, dict[str, int]]
    records: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, client: redis.Redis, prefix: str, keys: Mapping[str, list[str]], ids: Iterable[str]) -> Snapshot:
        """Read everything in one transaction; `keys` is queue -> its lists."""
        ids, p = list(ids), f"{prefix}celeriac:"
        names = ("pushed", "popped", "totals", "stats", "delayed:count")
        pipe = client.pipeline()
        pipe.time()
        for name in ("inflight", "delayed", "dead"):
            pipe.zrange(p + name, 0, -1, withscores=True)
            pipe.hgetall(p + name + ":messages")
        pipe.hkeys(p + "paused")
        pipe.hmget(p + "sweep", "last", "grace")
        for name in names:
            pipe.hgetall(p + name)
        for queue in keys:
            pipe.llen(f"{p}bell:{queue}")
            for key in keys[queue]:
                pipe.lrange(key, 0, -1)
        for id in ids:
            pipe.hgetall(f"{p}job:{id}")
        replies = iter(pipe.execute())
        seconds, micros = next(replies)
        sets = [(_scores(next(replies)), _texts(next(replies), bytes)) for _ in range(3)]
        paused = {queue.decode() for queue in next(replies)}
        swept = (float(value or 0) for value in next(replies))
        counts = {name: _texts(next(replies), int) for name in names}
        ready, bells = {}, {}
        for queue in keys:
            bells[queue] = next(replies)
            ready[queue] = [raw for _ in keys[queue] for raw in next(replies)]
        records = {id: _texts(next(replies), bytes.decode) for id in ids}
        now = int(seconds) * 1000 + int(micros) // 1000
        (inflight, delayed, dead) = sets
        return cls(now, ready, *inflight, *delayed, *dead, paused, bells, *swept, counts, records)

    def record(self, token: str) -> dict[str, str]:
        return self.records.get(token.rpartition(":")[0], {})

    def facts_of(self, token: str) -> dict[str, Any]:
        """Return id, retries and tag of the message in flight; nothing when it is not in flight."""
        value = self.inflight_messages.get(token)
        return {} if value is None else facts(_raw(value))

    def alive(self) -> set[str]:
        return {token for token, deadline in self.inflight.items() if deadline > self.now}

    @property
    def empty(self) -> bool:
        return not (self.inflight or self.delayed or any(self.ready.values()))

    def waiting(self) -> list[bytes]:
        """Return every message that is ready."""
        return [raw for raws in self.ready.values() for raw in raws]

    def live(self) -> list[bytes]:
        """Return every message that may still be delivered."""
        held = [*self.inflight_messages.values(), *self.delayed_messages.values()]
        return self.waiting() + [_raw(value) for value in held]

    def check(
        self, known: Mapping[str, Expected], ends: Counter[str], garbage: int, silent: set[str], strangers: set[str]
    ) -> None:
        """Assert the rules: one place for each message, none missing, indexes and counters that agree."""
        assert set(self.inflight) == set(self.inflight_messages)
        assert set(self.delayed) == set(self.delayed_messages)
        assert set(self.dead) == set(self.dead_messages)
        live = self.live()
        twice = [raw for raw, n in Counter(live).items() if n > 1]
        assert not twice, f"in two places: {twice}"
        messages = [found for raw in live if (found := facts(raw))]
        for id, job in known.items():
            self._check_job(id, job, [m for m in messages if m["id"] == id])
        unreadable = [raw for raw in live if not facts(raw)]
        quarantined = self.counts["stats"].get("quarantined", 0)
        assert len(unreadable) + quarantined == garbage
        assert sum(id.startswith("unreadable-") for id in self.dead) == quarantined
        assert self.counts["totals"] == dict(ends)
        self._check_queues(silent, strangers)

    def _check_job(self, id: str, job: Expected, messages: list[dict[str, Any]]) -> None:
        record = self.records[id]
        if not record:
            assert len(messages) == 1 or job.settled, f"{id} is unknown and has {messages}"
            return
        assert int(record.get("losses", 0)) == job.losses
        if job.ended:
            assert record["state"] == job.ended, f"{id} ended twice: {job.ended}, {record['state']}"
        elif not job.settled:
            current = [m for m in messages if m["tag"] == record["tag"]]
            assert len(current) == 1, f"{id} is {record} and has {messages}"
            assert record["state"] in self._truth(record), f"{id} is {record}: {current}"

    def _truth(self, record: dict[str, str]) -> set[str]:
        """Return the states that tell where the job's message is."""
        tag = record["tag"]
        if any(facts(_raw(value))["tag"] == tag for value in self.delayed_messages.values()):
            states = {"scheduled", "retrying"}
        elif any(facts(_raw(value)).get("tag") == tag for value in self.inflight_messages.values()):
            states = {"running"} if record.get("started") == record["fence"] else {"queued"}
        else:
            states = {"queued"}
        return states | ({"cancelling"} if "cancel" in record else set())

    def _check_queues(self, silent: set[str], strangers: set[str]) -> None:
        waiting = Counter(value.split(b"\n")[0].decode() for value in self.delayed_messages.values())
        assert {q: n for q, n in self.counts["delayed:count"].items() if n} == dict(waiting)
        for queue, raws in self.ready.items():
            assert self.bells[queue] <= 1
            if raws and queue not in self.paused and queue not in silent:
                assert self.bells[queue] == 1, f"{queue} has {len(raws)} messages and nobody is told"
            pushed, popped = (self.counts[name].get(queue, 0) for name in ("pushed", "popped"))
            if queue not in strangers:
                assert pushed - popped == len(raws), f"position in {queue}: {pushed} - {popped}, {len(raws)} wait"


def reclaimable(before: Snapshot, after: Snapshot, token: str, lease: float) -> bool:
    """Return whether a sweep between these two may have taken this lease away: it ran out, and sweeps were regular."""
    regular = after.now - before.swept <= lease * 500 and before.grace <= after.now
    return regular and before.inflight[token] <= after.now


def is_final(record: Mapping[str, str]) -> bool:
    return record.get("state") in TERMINAL


def _scores(pairs: list[tuple[bytes, float]]) -> dict[str, float]:
    return {member.decode(): score for member, score in pairs}


def _texts(mapping: Mapping[bytes, bytes], kind: Any) -> dict[str, Any]:
    return {key.decode(): kind(value) for key, value in mapping.items()}
