"""Random interleavings of the store's moves on a real server, judged by what must always hold.

The machine keeps no copy of the moves' logic. It remembers only what it did (which messages it published, which
attempts it began and lost, which jobs it saw end) and reads everything else from Redis after each step.
Leases, delays and the sweep's grace pass by editing their scores: time travel, no waiting.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, precondition, rule

from celeriac.job import TERMINAL, Move
from celeriac.store import moves
from celeriac.store.scripts import script
from tests.queue.moves_hands import HANDS, Hands
from tests.queue.moves_state import facts, is_final
from tests.queue.moves_world import KEYS, LISTS, QUEUES, Job, some_of

FEW = 4  # jobs: much happens to each
ENDS = st.sampled_from([Move.SUCCEED, Move.FAIL, Move.CANCELLED])
# Few rules that do much: hypothesis leaves out some rules in each example, and most mistakes need several of these.
ATTEMPT = ("starts", "renews", "acknowledges", "finishes", "retries", "gives back", "buries", "defers")
FATE = ("is published again", "is cancelled", "is requeued", "is deleted", "is due")
STEERED = ("pauses", "purges", "releases")


class Moves(Hands):
    """Two workers, two queues with two priorities, and a producer that is sometimes somebody else's."""

    jobs = Bundle("jobs")
    tokens = Hands.tokens

    # -- producers ----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.known) < FEW)
    @rule(target=jobs, queue=st.sampled_from(QUEUES), priority=st.sampled_from([0, 3]), delayed=st.booleans())
    def publish(self, queue: str, priority: int, delayed: bool) -> str:
        id = f"job{next(self.numbers)}"
        outcome = self._publish(id, queue, priority, delay=30.0 if delayed else None)
        assert outcome == ("scheduled" if delayed else "queued")
        self.known[id] = Job()
        return id

    def _publish_again(self, id: str, again: bool) -> None:
        """A producer repeats itself under another tag; one that had ended runs again, from its first or last try."""
        job, unseen = self.known[id], not self._look().records[id]
        retries = job.retries if again else 0
        outcome = self._publish(id, "a", 0, retries)
        if job.ended or unseen:
            assert outcome == "queued"
            self.known[id] = Job(retries=retries)
            self.forgotten.discard(id)
        else:
            assert outcome == "duplicate"

    @rule(target=jobs, queue=st.sampled_from(QUEUES))
    def push_as_stock(self, queue: str) -> str:
        """A stock producer pushes a message and knows of no record and no bell."""
        id = f"stock{next(self.numbers)}"
        self.client.lpush(KEYS[queue, 0], self._message(id, 0))
        self.silent.add(queue)
        self.strangers.add(queue)
        self.known[id] = Job()
        return id

    @rule(queue=st.sampled_from(QUEUES), raw=st.sampled_from(["{", "[]", '{"properties": 1}', "\xff", '"x"', "1e9"]))
    def push_garbage(self, queue: str, raw: str) -> None:
        self.client.lpush(KEYS[queue, 0], raw.encode("latin-1") + b" " * next(self.numbers))
        self.silent.add(queue)
        self.strangers.add(queue)
        self.garbage += 1

    # -- workers ------------------------------------------------------------------------------------------------

    @rule(token=tokens, does=st.sampled_from(ATTEMPT), move=ENDS, yes=st.booleans(), also=st.booleans())
    def attempt(self, token: str, does: str, move: Move, yes: bool, also: bool) -> None:
        """A worker does something with a delivery, whether it still has it or not."""
        {
            "starts": lambda: self._start(token),
            "renews": lambda: self._renew_what_may_be_gone(token),
            "acknowledges": lambda: self._acknowledge(token),
            "finishes": lambda: self._finish(token, move),
            "retries": lambda: self._retry(token, delayed=yes, told=also),
            "gives back": lambda: self._give_back(token, lost=yes, tail=also),
            "buries": lambda: self._bury(token, close=yes),
            "defers": lambda: self._defer(token),
        }[does]()

    @rule(
        target=tokens, n=st.sampled_from([0, 1, 2, 20]), heard=st.booleans(), at_once=st.booleans(),
        hand=HANDS, data=st.data(),
    )  # fmt: skip
    def fetch(self, n: int, heard: bool, at_once: bool, hand: str, data: st.DataObject) -> object:
        """One of the workers asks, after a bell or without; what it has done rides along."""
        before = self._look()
        acks = data.draw(some_of(before.inflight))[:2]
        self._forget(acks)
        if heard:
            self.client.delete(*(f"p:celeriac:bell:{queue}" for queue in QUEUES))
        fetched = moves.fetch(self.client, self.space, n, LISTS, acks, hand, n)
        fresh = [d for d in fetched.deliveries if d.token not in before.inflight]
        assert len(fetched.deliveries) <= n or (len(fresh) <= n and hand), "more than there are slots"
        assert not {d.queue for d in fresh} & before.paused
        assert not {d.token.rpartition(":")[0] for d in fetched.deliveries} & self.forgotten
        self._check_leases(before, set(acks))
        after = self._look()
        self.silent &= after.paused
        if len(before.live()) < n:  # it saw that nothing is left
            self.strangers &= after.paused
        if heard:
            self.silent |= after.paused
        for d in fetched.deliveries if at_once else ():
            self._start(d.token)
        return multiple(*(d.token for d in fetched.deliveries))

    def _start(self, token: str) -> None:
        before = self._look()
        verdict = moves.start(self.client, self.space, token, "w", 0.0, "")
        record = before.record(token)
        ours = token in before.inflight and record.get("fence") == token.rpartition(":")[2]
        assert (verdict == "late") == (not ours or record["state"] in TERMINAL)
        if verdict == "ok":
            job = self._job(token)
            others = {t for t in job.running if t != token and before.facts_of(t) == before.facts_of(token)}
            assert not others & before.alive(), "two attempts of one job run under live leases"
            job.running.add(token)

    @rule(data=st.data())
    def tend(self, data: st.DataObject) -> None:
        before = self._look()
        mine = data.draw(some_of(before.inflight))
        tended = moves.tend(self.client, self.space, mine, "w", "{}")
        assert not set(mine) & set(tended.gone)
        assert set(mine) <= set(self._look().inflight), "a lease that was just renewed was taken away"
        self._check_leases(before, set())

    def _renew_what_may_be_gone(self, token: str) -> None:
        before = self._look()
        gone = moves.tend(self.client, self.space, [token]).gone
        assert (token in gone) == (token not in before.inflight)
        self._check_leases(before, set())

    def _acknowledge(self, token: str) -> None:
        """Possibly late, possibly the second time."""
        held = token in self._look().inflight
        self._forget([token])
        assert moves.settle(self.client, self.space, [token]) == held

    def _finish(self, token: str, move: Move) -> None:
        before = self._look()
        id, _, fence = token.rpartition(":")
        outcome = moves.finish(self.client, self.space, moves.Finish(id, move, int(fence), "{}"))
        record = before.record(token)
        if record.get("fence") != fence:
            assert outcome == "late"
            assert self._look().record(token) == record, "a late result changed the record"
        else:
            assert outcome == ("done" if record["state"] in TERMINAL else "ok")
            assert token not in self._look().inflight

    def _retry(self, token: str, delayed: bool, told: bool) -> None:
        """The attempt publishes its own retry, and tells so, or dies before that."""
        before = self._look()
        id, _, fence = token.rpartition(":")
        job, record = self._job(token), before.record(token)
        if token not in job.running or token not in before.inflight or before.facts_of(token)["retries"] != job.retries:
            return
        delay = 30.0 if delayed else None
        outcome = self._publish(id, "a", 0, job.retries + 1, delay, int(fence))
        if record["state"] in TERMINAL or record["fence"] != fence:
            assert outcome == "superseded"
            return
        if "cancel" in record:
            assert outcome == "cancelled"
        else:
            job.retries += 1
        if told:
            moves.finish(self.client, self.space, moves.Finish(id, Move.RETRY, int(fence), "{}"))

    def _give_back(self, token: str, lost: bool, tail: bool) -> None:
        before = self._look()
        moves.put_back(self.client, self.space, [token], "worker lost" if lost else "", lost, tail)
        if lost:
            self._count_loss(before, token)

    def _bury(self, token: str, close: bool) -> None:
        if not close:
            self._forget([token])
        moves.bury(self.client, self.space, token, "unknown task", close)

    def _defer(self, token: str) -> None:
        before = self._look()
        moves.defer(self.client, self.space, token, 30.0)
        record = before.record(token)
        ours = token in before.inflight and record.get("fence") == token.rpartition(":")[2] and not is_final(record)
        if ours and "cancel" in record and before.facts_of(token)["tag"] == record["tag"]:
            assert self._look().record(token)["state"] == "cancelled"

    # -- operators and time -------------------------------------------------------------------------------------

    @rule(id=jobs, does=st.sampled_from(FATE), yes=st.booleans())
    def fate(self, id: str, does: str, yes: bool) -> None:
        """Somebody else, or time, does something to a job."""
        {
            "is published again": lambda: self._publish_again(id, again=yes),
            "is cancelled": lambda: self._cancel(id),
            "is requeued": lambda: self._requeue(id, letter=yes),
            "is deleted": lambda: self._delete(id),
            "is due": lambda: self._delay_passes(id),
        }[does]()

    @rule(queue=st.sampled_from(QUEUES), does=st.sampled_from(STEERED), n=st.integers(0, 3))
    def steer(self, queue: str, does: str, n: int) -> None:
        """An operator does something to a queue."""
        {
            "pauses": lambda: self._pause(queue, on=n > 0),
            "purges": lambda: self._purge(queue, 1 + n),
            "releases": lambda: self._release("delayed" if n % 2 else "inflight", 1 + n),
        }[does]()

    def _cancel(self, id: str) -> None:
        before = self._look().records.get(id, {}).get("state", "")
        state = moves.cancel(self.client, self.space, id, "by hand", "{}")
        assert state.startswith("!") == (before in TERMINAL - {"cancelled"})
        assert bool(state) == bool(before)

    def _requeue(self, id: str, letter: bool) -> None:
        """An ended job, or a dead letter, is given another run with a message of its own."""
        before, raw = self._look(), self._message(id, 0)
        tag = facts(raw.encode())["tag"]
        args = (id, KEYS["b", 0], "b", raw, "t", 0, tag, "by hand", int(letter), 0)
        reply = script("requeue")(self.client, *self.space.head(), *args).decode()
        possible = is_final(before.records[id]) and (id in before.dead or not letter)
        assert (reply == "queued") == possible
        if possible:
            self.known[id] = Job()

    def _delete(self, id: str) -> None:
        """Forget a job that ended; a message of it that still waits never runs, and the id is free again."""
        state = self._look().records[id].get("state", "")
        reply = script("delete")(self.client, *self.space.head(), id).decode()
        assert (reply == "deleted") == (state in TERMINAL)
        if reply == "deleted":
            self.forgotten.add(id)
            self.known[id] = Job(settled=True)

    def _pause(self, queue: str, on: bool) -> None:
        script("pause")(self.client, *self.space.head(), queue, int(on))

    def _purge(self, queue: str, n: int) -> None:
        before = self._look()
        taken, _ = script("purge")(self.client, *self.space.head(), KEYS[queue, 0], queue, n, "purged", "{}")
        gone = set(before.live()) - set(self._look().live())
        assert taken == len(gone)
        self.garbage -= sum(not facts(raw) for raw in gone)
        for id in {facts(raw)["id"] for raw in gone if facts(raw)} - {id for id, r in before.records.items() if r}:
            self.known[id].settled = True  # a stranger's message, never seen by a worker

    def _release(self, which: str, n: int) -> None:
        before = self._look()
        script("release")(self.client, *self.space.head(), which, n)
        if which == "delayed":  # a stock worker would run what has ended
            fresh = set(self._look().waiting()) - set(before.waiting())
            assert not [raw for raw in fresh if is_final(before.records[facts(raw)["id"]])]

    @rule(data=st.data(), swept=st.sampled_from(["due", "just now", "in grace", "long ago"]), seen=st.booleans())
    def leases_run_out(self, data: st.DataObject, swept: str, seen: bool) -> None:
        """A worker dies with some deliveries, or is stopped; the other one may see it at once."""
        lost = data.draw(some_of(self._look().inflight))
        self._expire(lost, swept)
        before = self._look()
        if seen:
            moves.tend(self.client, self.space, [])
            self._check_leases(before, set())
            survived = set(lost) & set(self._look().inflight)
            assert (not lost) or (survived == set(lost)) == (swept != "due")

    def teardown(self) -> None:
        """Let all leases, delays and pauses end and run what is there: then every job has ended, nothing is left."""
        if not hasattr(self, "known"):
            return
        self.client.delete("p:celeriac:paused")
        for _ in range(len(self.known) * 4 + self.garbage + 8):
            self._expire(self._look().inflight, "due")
            for member in self._look().delayed:
                self.client.zadd("p:celeriac:delayed", {member: 1})
            before = self._look()
            fetched = moves.fetch(self.client, self.space, 100, LISTS)
            self._check_leases(before, set())
            for d in fetched.deliveries:
                id, _, fence = d.token.rpartition(":")
                moves.finish(self.client, self.space, moves.Finish(id, Move.SUCCEED, int(fence), "{}"))
            self.everything_is_in_one_place()
            if self._look().empty:
                break
        left = self._look()
        assert left.empty, left
        unfinished = [id for id, job in self.known.items() if not (job.ended or job.settled)]
        assert not unfinished, f"never ended: {unfinished}"
