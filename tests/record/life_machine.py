"""Random lives of jobs, lived by two workers on a real server, judged by what the record and Celery's result say.

The machine plays producers, workers, operators and time; leases, delays and retention pass by editing their times.
It remembers what it did with each job; everything else it reads back.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, precondition, rule

from celeriac.errors import ExpiredJob, UnknownJob
from celeriac.job import LIVE, MOVES, TERMINAL, WAITING, Move, State
from celeriac.queue.again import again
from celeriac.store import moves, record
from celeriac.store.scripts import script
from tests.record.desk import revoked_meta
from tests.record.life_world import LISTS, Life, World

FEW = 3  # jobs: much happens to each
ENDS = st.sampled_from([Move.SUCCEED, Move.FAIL, Move.CANCELLED])
# One rule for a worker, one for fate: hypothesis leaves out some rules in each example, and mistakes need several.
ATTEMPT = ("starts", "reports", "finishes", "retries", "gives back", "acknowledges", "dies", "buries")
FATE = (
    "is published again", "is restored", "is followed", "is cancelled", "runs again", "is purged", "is due",
    "is past its retention", "is past its tombstone",
)  # fmt: skip


class Lives(World):
    """What may happen to a job, in any order."""

    jobs = Bundle("jobs")
    tokens = Bundle("tokens")
    worker = st.integers(0, 1)

    # -- producers ----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.lives) < FEW)
    @rule(target=jobs, delayed=st.booleans(), chained=st.booleans())
    def submit(self, delayed: bool, chained: bool) -> str:
        id = f"job{next(self.numbers)}"
        followers = (f"{id}.1", f"{id}.2") if chained else ()
        outcome = self._publish(id, delay=30.0 if delayed else None, followers=followers)
        assert outcome == ("scheduled" if delayed else "queued")
        self.lives[id] = Life(followers=followers)
        return id

    def _publish_again(self, id: str, higher: bool) -> None:
        """The id is used again: a live job is left alone, unless by its next try; one that ended runs again."""
        life = self.lives[id]
        retries = life.retries + higher
        outcome = self._publish(id, retries)
        if life.gone or life.ended:
            assert outcome == "queued"
            self.lives[id] = Life(retries, published=life.published + 1)
        elif higher:
            assert outcome == "queued"
            life.retries, life.overtaken, life.published = retries, True, life.published + 1
            life.settled = False
        else:
            assert outcome == "duplicate"

    def _restore(self, id: str) -> None:
        """The history asks for a job of which Redis knows: nothing happens."""
        if not self.lives[id].gone or self.redis.exists(f"p:celeriac:gone:{id}"):
            assert self._publish(id, fence=moves.RESTORED) == "duplicate"

    def _publish_follower(self, id: str) -> None:
        """The job's parent publishes it, once, or twice because the parent ran twice."""
        for child in self.lives[id].followers[:1]:
            known = self._state(child)
            outcome = self._publish(child, parent=id)
            if child in self.lives:
                assert outcome == "duplicate", (outcome, known)
            elif known in TERMINAL:
                assert outcome == "cancelled"
            else:
                assert outcome == "queued"
                self.lives[child] = Life()

    # -- workers ------------------------------------------------------------------------------------------------

    @rule(token=tokens, does=st.sampled_from(ATTEMPT), worker=worker, move=ENDS, yes=st.booleans(), also=st.booleans())
    def attempt(self, token: str, does: str, worker: int, move: Move, yes: bool, also: bool) -> None:
        """A worker does something with a delivery, whether it still has it or not."""
        {
            "starts": lambda: self._start(token, worker, once=yes and also),
            "reports": lambda: self._report(token, worker, lines=2 * yes),
            "finishes": lambda: self._finish_it(token, worker, move, acknowledge=yes),
            "retries": lambda: self._retry(token, worker, delayed=yes, tells=also),
            "gives back": lambda: self._give_back(token, lost=yes),
            "acknowledges": lambda: self._acknowledge(token),
            "dies": lambda: self._lease_runs_out(token),
            "buries": lambda: self._bury(token),
        }[does]()

    @rule(target=tokens, worker=worker, n=st.integers(1, 3), started=st.booleans())
    def fetch(self, worker: int, n: int, started: bool) -> Any:
        before = {id: self._state(id) for id in self.lives}
        fetched = moves.fetch(self.clients[worker], self.space, n, LISTS)
        for delivery in fetched.deliveries:
            id = delivery.token.rpartition(":")[0]
            assert before[id] not in WAITING - {State.QUEUED}, "a job is delivered before its time"
            assert self._state(id) in LIVE, "a job that has ended is delivered"
            assert not self.lives[id].gone, "a job is delivered after its retention"
            if started:
                self._start(delivery.token, worker)
        return multiple(*(delivery.token for delivery in fetched.deliveries))

    def _start(self, token: str, worker: int, once: bool = False) -> None:
        before, held = self._read(token), self._holds(token)
        fresh = self.redis.hget(f"p:celeriac:job:{token.rpartition(':')[0]}", "started") != token.split(":")[1].encode()
        meta = self._meta(token, "STARTED")
        verdict = moves.start(self.clients[worker], self.space, token, f"w{worker}", 0.01, meta, once)
        if before is None or before.state in TERMINAL or before.token != token or not held:
            assert verdict == "late"
            assert self._read(token) == before, "a late start changed the record"
        else:
            assert verdict == ("cancelled" if before.cancel else "ok")
            after = self._read(token)
            assert after is not None
            assert after.attempt == before.attempt + (fresh and not before.cancel)
            if once and fresh and not before.cancel:
                self.lives[before.id].once.add(token)

    def _report(self, token: str, worker: int, lines: int) -> None:
        self._start(token, worker)
        before, ours = self._read(token), self._owns(token) and self._holds(token)
        said = moves.Report(token, '{"current": 1}', self._meta(token, "PROGRESS"), ["line"] * lines)
        stop = moves.report(self.clients[worker], self.space, 5, [said])
        after = self._read(token)
        if before is None or before.state in TERMINAL or not ours:
            assert after is None or (before and after.progress_seq == before.progress_seq), "a late report counts"
        else:
            assert stop == ([token] if before.cancel else [])
            assert after is not None
            assert after.seq >= before.seq + lines

    def _finish_it(self, token: str, worker: int, move: Move, acknowledge: bool) -> None:
        """In time, late or for the second time; the message may be acknowledged only afterwards."""
        before, owned = self._read(token), self._owns(token)
        outcome = self._finish(token, move, worker, acknowledge)
        if before is None or not owned:
            assert outcome == "late"
            assert self._read(token) == before, "a late result changed the record"
        elif before.state in TERMINAL:
            assert outcome == "done"
            assert self._read(token) == before, "a second end changed the record"
        else:
            assert outcome == "ok"
            life = self.lives[before.id]
            assert not life.accepted, f"{before.id} ended twice"
            life.accepted.add(token)
            after = self._read(token)
            assert after is not None
            assert after.state == MOVES[move][1]

    def _retry(self, token: str, worker: int, delayed: bool, tells: bool) -> None:
        """An attempt publishes its own retry and tells of it, or dies before that; or it is late with it."""
        before, (id, _, fence) = self._read(token), token.rpartition(":")
        if before is None:
            if self.redis.exists(f"p:celeriac:gone:{id}"):
                assert self._publish(id, 1, 30.0 if delayed else None, int(fence)) == "superseded"
            return
        life = self.lives[id]
        higher = before.retries + 1
        outcome = self._publish(id, higher, 30.0 if delayed else None, int(fence))
        if before.state in TERMINAL or before.token != token:
            assert outcome == "superseded"
        elif before.cancel:
            assert outcome == "cancelled"
        else:
            assert outcome == ("retrying" if delayed else "queued")
            life.retries, life.published, life.settled = higher, life.published + 1, False
        if tells and outcome != "superseded":
            assert self._finish(token, Move.RETRY, worker, True) == "ok"

    def _give_back(self, token: str, lost: bool) -> None:
        moves.put_back(self.redis, self.space, [token], "worker lost" if lost else "", lost)
        assert not self._holds(token)
        self._check_once(token)

    def _acknowledge(self, token: str) -> None:
        """The delivery is over, and nobody will tell how: the record must not stay for ever."""
        before, held, id = self._read(token), self._holds(token), token.rpartition(":")[0]
        mine = before and before.token == token and before.state in LIVE
        tag = self.redis.hget(f"p:celeriac:job:{id}", "tag") or b"-"
        carried = tag in (self.redis.hget("p:celeriac:inflight:messages", token) or b"")
        assert moves.settle(self.clients[0], self.space, [token]) == held
        self.lives[id].settled |= bool(mine and held and carried)

    def _lease_runs_out(self, token: str) -> None:
        others = self._leases() - {token}
        self.redis.zadd("p:celeriac:inflight", {token: 1}, xx=True)
        self._let_sweep()
        moves.tend(self.clients[1], self.space, [])
        assert self._leases() == others, "a live lease was reclaimed, or a lost one was not"
        self._check_once(token)

    def _bury(self, token: str) -> None:
        before, held = self._read(token), self._holds(token)
        assert moves.bury(self.redis, self.space, token, "unknown task", close=True) == held
        if before is not None and not (held and before.token == token):
            assert self._state(before.id) == before.state, "what is not ours ended a job"

    # -- operators and time -------------------------------------------------------------------------------------

    @rule(id=jobs, does=st.sampled_from(FATE), yes=st.booleans())
    def fate(self, id: str, does: str, yes: bool) -> None:
        """Somebody else, or time, does something to a job."""
        {
            "is published again": lambda: self._publish_again(id, higher=yes),
            "is restored": lambda: self._restore(id),
            "is followed": lambda: self._publish_follower(id),
            "is cancelled": lambda: self._cancel(id),
            "runs again": lambda: self._run_again(id),
            "is purged": lambda: self._purge(1 + yes),
            "is due": lambda: self._delay_passes(id),
            "is past its retention": lambda: self._retention_passes(id),
            "is past its tombstone": lambda: self._tombstone_passes(id),
        }[does]()

    def _cancel(self, id: str) -> None:
        found = self._read_all([id])[0]
        before, held = found and found.state, found and found.token in self._leases()
        now = moves.cancel(self.redis, self.space, id, "by hand", revoked_meta(id, "by hand"))
        if before is None:
            assert now == ""
        elif before in TERMINAL - {State.CANCELLED}:
            assert now == f"!{before}"
        else:
            assert now == ("cancelling" if held and before in LIVE else "cancelled")
            assert self._state(id) == now

    def _run_again(self, id: str) -> None:
        """An operator retries a job that ended."""
        life = self.lives[id]
        if self._state(id) not in TERMINAL:
            return
        if not record.revive(self.redis, self.space, id, "retried"):
            kept = record.kept_message(self.redis, self.space, id)
            message = again(*kept, "retried") if kept else None
            assert message is not None or life.ended == State.SUCCEEDED or life.settled, "its message was not kept"
            if message is None:
                return
            record.resubmit(self.redis, self.space, id, message)
        found = self._read_all([id])[0]
        assert found is not None  # and a message cancelled in its queue goes on with the tries it had
        self.lives[id] = Life(found.retries, followers=life.followers, published=life.published + 1)
        for child in life.followers:
            if child in self.lives and self.lives[child].ended:  # it waits for its parent again
                del self.lives[child]
        assert (found.state, found.cancel, found.losses) == (State.QUEUED, "", 0)
        assert self.redis.get(f"p:celery-task-meta-{id}") is None

    def _purge(self, n: int) -> None:
        script("purge")(self.redis, *self.space.head(), "q", "q", n, "purged", revoked_meta("@ID@", "purged"))

    def _delay_passes(self, id: str) -> None:
        for retries in range(self.lives[id].retries + 1):
            self.redis.zadd("p:celeriac:delayed", {f"{id}:{retries}": 1}, xx=True)
        moves.tend(self.clients[1], self.space, [])

    def _retention_passes(self, id: str) -> None:
        """What a job that ended leaves behind is forgotten; its tombstone stays."""
        if self._state(id) not in TERMINAL or any(f'"id": "{id}"' in held for held in self._in_hand()):
            return
        for name in ("job", "log", "kept"):
            left = self.redis.pttl(f"p:celeriac:{name}:{id}")
            assert left == -2 or 0 < left <= 600_000, f"{name} would stay"
            self.redis.delete(f"p:celeriac:{name}:{id}")
        assert 0 < self.redis.pttl(f"p:celery-task-meta-{id}") <= 600_000
        self.redis.delete(f"p:celery-task-meta-{id}")
        self.lives[id].gone = True
        with pytest.raises(ExpiredJob):
            record.read(self.redis, self.space, id)

    def _tombstone_passes(self, id: str) -> None:
        """Even then no message of the job runs: its tombstone waits for it."""
        life = self.lives[id]
        if not life.gone or self.redis.pttl(f"p:celeriac:gone:{id}") < 0 or life.published > 1:
            return
        assert not self._ready(id), f"a message of {id} would run again"
        self.redis.delete(f"p:celeriac:gone:{id}")
        with pytest.raises(UnknownJob):
            record.read(self.redis, self.space, id)

    def _check_once(self, token: str) -> None:
        """An attempt that is never repeated has been lost: its job has ended, unless a next try was published."""
        life = self.lives[token.rpartition(":")[0]]
        if token in life.once and not life.retries and not life.gone:
            assert life.settled or self._state(token.rpartition(":")[0]) in TERMINAL, f"{token} would run twice"

    def _in_hand(self) -> list[str]:
        stored = [self.redis.hvals(f"p:celeriac:{name}:messages") for name in ("inflight", "delayed")]
        return [message.decode() for found in stored for message in found]
