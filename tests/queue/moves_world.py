"""What the machine of the moves knows: what it did with each job, and how it reads the rest from Redis."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from celeriac.job import TERMINAL
from celeriac.store import moves
from tests.queue.moves_state import SEP, Snapshot, facts, is_final, reclaimable

LEASE = 60.0  # s: nothing runs out unless the machine says so
QUEUES = ("a", "b")
KEYS = {(queue, priority): queue + (SEP + "3" if priority else "") for queue in QUEUES for priority in (0, 3)}
LISTS = [(KEYS[queue, priority], queue, True) for priority in (0, 3) for queue in QUEUES]


def some_of(tokens: Iterable[str]) -> st.SearchStrategy[list[str]]:
    """Return a strategy for lists of different tokens out of these."""
    known = sorted(tokens)
    return st.lists(st.sampled_from(known), unique=True) if known else st.just([])


@dataclass
class Job:
    """What the machine did with one job since it was published, or published again after its end."""

    retries: int = 0
    losses: int = 0
    ended: str = ""
    settled: bool = False
    running: set[str] = field(default_factory=set)


class World(RuleBasedStateMachine):
    """The server and the machine's memory; the moves themselves are in the machine."""

    client: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.client.flushdb()
        self.space = moves.Space("p:", LEASE, max_losses=2, retention=600)
        self.known: dict[str, Job] = {}
        self.garbage = 0
        self.read: dict[str, str] = {}  # what was read last at each hand
        self.ends: Counter[str] = Counter()
        self.silent: set[str] = set()  # queues with messages that rang no bell
        self.forgotten: set[str] = set()  # deleted jobs
        self.strangers: set[str] = set()  # queues whose counters do not know all their messages
        self.numbers = itertools.count(1)

    @invariant()
    def everything_is_in_one_place(self) -> None:
        if hasattr(self, "known"):
            now = self._look()
            for id, job in self.known.items():
                state = now.records[id].get("state", "")
                if state in TERMINAL and not job.ended:
                    job.ended = state
                    self.ends[state] += 1
            now.check(self.known, self.ends, self.garbage, self.silent, self.strangers)

    # -- how it knows -------------------------------------------------------------------------------------------

    def _look(self) -> Snapshot:
        lists = {queue: [KEYS[queue, 0], KEYS[queue, 3]] for queue in QUEUES}
        return Snapshot.read(self.client, "p:", lists, self.known)

    def _job(self, token: str) -> Job:
        return self.known[token.rpartition(":")[0]]

    def _message(self, id: str, retries: int) -> str:
        tag = f"tag{next(self.numbers)}"
        return json.dumps({
            "body": "[[], {}, {}]", "headers": {"id": id, "task": "t", "retries": retries},
            "properties": {"delivery_tag": tag, "delivery_info": {}},
        })  # fmt: skip

    def _publish(
        self, id: str, queue: str, priority: int, retries: int = 0, delay: float | None = None, fence: int = 0
    ) -> str:
        raw = self._message(id, retries)
        tag = facts(raw.encode())["tag"]
        s = moves.Submission(KEYS[queue, priority], queue, raw, id, "t", retries, tag, delay, fence=fence)
        before = self._look()
        outcome = moves.publish(self.client, self.space, s)[0]
        handed = set(self._look().inflight) - set(before.inflight)
        assert not handed or queue not in before.paused
        return outcome

    def _expire(self, tokens: Iterable[str], swept: str) -> None:
        """Let leases have run out, at a moment when the last sweep was as long ago as `swept` says."""
        for token in tokens:
            self.client.zadd("p:celeriac:inflight", {token: 1}, xx=True)
        now = self._look().now
        last = {"just now": now, "long ago": 1}.get(swept, now - 5000)
        self.client.hset("p:celeriac:sweep", mapping={"last": last, "grace": now + 50000 if swept == "in grace" else 0})

    def _delay_passes(self, id: str) -> None:
        for member in self._look().delayed:
            if member.rpartition(":")[0] == id:
                self.client.zadd("p:celeriac:delayed", {member: 1}, xx=True)

    def _forget(self, tokens: Iterable[str]) -> None:
        """Note what was acknowledged without an end: such a job has no message and no end any more."""
        now = self._look()
        for token in tokens:
            if token in now.inflight and now.facts_of(token)["tag"] == now.record(token)["tag"]:
                self._job(token).settled = True

    def _check_leases(self, before: Snapshot, acknowledged: set[str]) -> None:
        """Whatever left the table of leases in a sweep had run out, and counts as lost if it had begun."""
        after = self._look()
        for token in set(before.inflight) - set(after.inflight) - acknowledged:
            assert reclaimable(before, after, token, LEASE), f"a live lease was reclaimed: {token}"
            self._count_loss(before, token)

    def _count_loss(self, before: Snapshot, token: str) -> None:
        record, fence = before.record(token), token.rpartition(":")[2]
        if token not in before.inflight or is_final(record) or record["fence"] != fence:
            return
        current = before.facts_of(token)["tag"] == record["tag"]  # else its retry is published and takes over
        if current and record.get("started") == fence and "cancel" not in record:
            self._job(token).losses += 1
