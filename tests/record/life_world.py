"""What the machine of lives knows of each job, how it acts on a real server, and what it finds true after each step."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field

import redis
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from celeriac.job import LETTERS, TERMINAL, WAITING, Move, State
from celeriac.store import moves, record

LISTS = [("q", "q", True)]
LEASE = 60.0  # s: nothing runs out unless the machine says so
STATUS = {Move.SUCCEED: "SUCCESS", Move.FAIL: "FAILURE", Move.RETRY: "RETRY", Move.CANCELLED: "REVOKED"}
#: What Celery's result may say while the record says this.
AGREED = {
    "scheduled": {None}, "queued": {None, "RETRY"}, "running": {"STARTED", "PROGRESS"}, "retrying": {None, "RETRY"},
    "cancelling": {None, "STARTED", "PROGRESS", "RETRY"}, "succeeded": {"SUCCESS"}, "failed": {"FAILURE"},
    "cancelled": {"REVOKED"}, "lost": {"FAILURE"},
}  # fmt: skip


@dataclass
class Life:
    """One run of a job, from its publication to its end, as far as the machine must remember it."""

    retries: int = 0
    followers: tuple[str, ...] = ()
    ended: str = ""
    accepted: set[str] = field(default_factory=set)  # tokens whose end was taken
    once: set[str] = field(default_factory=set)  # tokens that are never repeated
    settled: bool = False  # acknowledged without an end
    overtaken: bool = False  # a second message was published beside a running attempt
    published: int = 1
    gone: bool = False  # past its retention


class World(RuleBasedStateMachine):
    """Two clients over one database; the moves themselves are in the machine."""

    clients: tuple[redis.Redis, redis.Redis]

    @initialize()
    def begin(self) -> None:
        self.redis = self.clients[0]
        self.redis.flushdb()
        self.space = moves.Space("p:", LEASE, max_losses=2, retention=600)
        self.lives: dict[str, Life] = {}
        self.ends: Counter[str] = Counter()
        self.numbers = itertools.count(1)

    # -- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def every_record_tells_the_truth(self) -> None:
        lives = getattr(self, "lives", {})
        pipe = self.redis.pipeline()
        for id in lives:
            pipe.get(f"p:celery-task-meta-{id}").pttl(f"p:celeriac:job:{id}").hget(f"p:celeriac:job:{id}", "tag")
            pipe.exists(f"p:celeriac:gone:{id}")
        said = iter(pipe.execute())
        places = self._places() if lives else []
        assert len(places) == len(set(places)), "a message is in two places"
        for (id, life), found in zip(lives.items(), self._read_all(lives), strict=True):
            meta, left, tag, tombstone = (next(said) for _ in range(4))
            assert (found is None) == life.gone, f"{id} is forgotten, or came back"
            if found is None:
                assert meta is None
                continue
            assert not life.ended or found.state == life.ended, f"{id} was {life.ended} and is {found.state}"
            done = found.state in TERMINAL
            if done and not life.ended:
                life.ended = found.state
                if "." not in id:  # a follower may have ended before it was published
                    self.ends[id] += 1
            self._check_status(found, json.loads(meta or "{}").get("status"))
            assert (left > 0) == (done or life.settled)
            assert (found.finished_at is not None) == done
            assert tombstone or not done
            assert len([a for a in found.attempts if a.outcome in TERMINAL]) <= life.published
            if not done:
                self._check_message(found, f'"delivery_tag": "{tag.decode()}"'.encode(), places)
            self._check_followers(found, life)

    def _check_status(self, found: record.Record, status: str | None) -> None:
        """The record and Celery's result agree; but an attempt that was overtaken may still report."""
        allowed = AGREED[found.state] | ({"STARTED", "PROGRESS"} if self.lives[found.id].overtaken else set())
        if found.state in TERMINAL:
            allowed = AGREED[found.state]
        assert status in allowed, f"{found.id} is {found.state}, Celery's result says {status}"

    def _check_message(self, found: record.Record, tag: bytes, places: list[bytes]) -> None:
        """A live job has one message that will run it, in one place."""
        holding = [place for place in places if tag in place]
        if self.lives[found.id].settled:
            assert not holding
            return
        assert len(holding) == 1, f"{found.id} is {found.state} and has {len(holding)} messages"
        if found.state in WAITING - {State.QUEUED}:
            member = f"{found.id}:{found.retries}"
            assert self.redis.hget("p:celeriac:delayed:messages", member) == holding[0], f"{member} waits for nothing"

    def _check_followers(self, found: record.Record, life: Life) -> None:
        for child in set(life.followers) - set(self.lives):
            state = self._state(child)
            expected = {"cancelled": "cancelled", "lost": "failed"}.get(found.state, "scheduled")
            assert state == expected, f"{child} is {state} after {found.state}"

    def teardown(self) -> None:
        """Let everything that waits have its turn: all jobs end, each end is told once, nothing is left."""
        if not hasattr(self, "lives"):
            return
        for _ in range(len(self.lives) * 4 + 4):
            for name in ("inflight", "delayed"):
                for member in self.redis.zrange(f"p:celeriac:{name}", 0, -1):
                    self.redis.zadd(f"p:celeriac:{name}", {member: 1})
            self._let_sweep()
            for delivery in moves.fetch(self.redis, self.space, 100, LISTS).deliveries:
                self._finish(delivery.token, Move.SUCCEED, 0, True)
            self.every_record_tells_the_truth()
            if not self._places():
                break
        for id, life in self.lives.items():
            assert life.gone or life.settled or life.ended, f"{id} never ended"
        assert not self._places()
        self._check_journal()

    def _check_journal(self) -> None:
        """What was told: each end once, and after an end nothing but another run of the same job."""
        last: dict[str, str] = {}
        told: Counter[str] = Counter()
        for _, entry in self.redis.xrange("p:celeriac:journal"):
            id, state = entry[b"j"].decode(), entry[b"e"].decode().split()[0]
            if last.get(id) in TERMINAL:
                assert state in ("queued", "scheduled"), f"{id}: {state} after {last[id]}"
            last[id] = state
            if state in TERMINAL:
                told[id] += 1
        assert {id: n for id, n in told.items() if id in self.ends} == self.ends
        for found in self._read_all(self.lives):
            letter = self.redis.hget(f"p:celeriac:job:{found.id}", "trail").decode().splitlines()[-1] if found else ""
            assert not found or LETTERS[State(last[found.id])] in letter

    # -- how it acts and looks ----------------------------------------------------------------------------------

    def _publish(
        self, id: str, retries: int = 0, delay: float | None = None, fence: int = 0, parent: str = "",
        followers: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        tag = f"tag{next(self.numbers)}"
        raw = json.dumps({
            "body": "[[], {}, {}]", "headers": {"id": id, "task": "t", "retries": retries},
            "properties": {"delivery_tag": tag, "delivery_info": {}},
        })  # fmt: skip
        fields = {"args": "[[], {}]"} | ({"parent_id": parent} if parent else {})
        after = [(child, "t", "chain") for child in followers]
        submission = moves.Submission("q", "q", raw, id, "t", retries, tag, delay, 0, 0, fence, fields, after)
        return moves.publish(self.redis, self.space, submission)[0]

    def _finish(self, token: str, move: Move, worker: int, acknowledge: bool) -> str:
        id, _, fence = token.rpartition(":")
        end = moves.Finish(id, move, int(fence), self._meta(token, STATUS[move]), 0.01, f"w{worker}")
        end.acknowledge = acknowledge
        return moves.finish(self.clients[worker], self.space, end)

    def _meta(self, token: str, status: str) -> str:
        return json.dumps({"status": status, "result": None, "task_id": token.rpartition(":")[0]})

    def _let_sweep(self) -> None:
        """Let the next move look for leases that ran out."""
        now = int(self.redis.time()[0]) * 1000
        self.redis.hset("p:celeriac:sweep", mapping={"last": now - 5000, "grace": 0})

    def _places(self) -> list[bytes]:
        """Return every message, wherever it is."""
        pipe = self.redis.pipeline()
        pipe.lrange("q", 0, -1)
        for name in ("inflight", "delayed"):
            pipe.hvals(f"p:celeriac:{name}:messages")
        return [message for found in pipe.execute() for message in found]

    def _ready(self, id: str) -> int:
        """Return how many messages of the job are among the ready ones."""
        return sum(f'"id": "{id}"'.encode() in raw for raw in self.redis.lrange("q", 0, -1))

    def _holds(self, token: str) -> bool:
        return self.redis.zscore("p:celeriac:inflight", token) is not None

    def _leases(self) -> set[str]:
        return {token.decode() for token in self.redis.zrange("p:celeriac:inflight", 0, -1)}

    def _owns(self, token: str) -> bool:
        found = self._read(token)
        return found is not None and found.token == token

    def _read(self, token: str) -> record.Record | None:
        return self._read_all([token.rpartition(":")[0]])[0]

    def _read_all(self, ids: object) -> list[record.Record | None]:
        return record.read_many(self.redis, self.space, ids)  # type: ignore[arg-type]

    def _state(self, id: str) -> State | None:
        found = self._read_all([id])[0]
        return found and found.state
