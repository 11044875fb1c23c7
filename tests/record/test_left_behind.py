"""Messages that their job left behind, or that outlive it, run nothing. No worker runs here: the test is one."""

from __future__ import annotations

import json

import pytest
from celery import chord

from celeriac.job import Move, State
from celeriac.store import clients, dead, moves, record
from celeriac.store.batch import Batch
from celeriac.store.scripts import script
from celeriac.store.wire import wired
from tests.record.desk import Desk, agrees
from tests.record.steps import fetch, finish, ready, republish, take


def tombstone(desk: Desk, id: str) -> int:
    """Return for how long an ended job is known (ms); -1 without end, -2 there is none."""
    return int(desk.client.pttl(f"celeriac:gone:{id}"))


# -- messages that were left behind -----------------------------------------------------------------------------


def test_a_message_of_an_earlier_run_is_not_delivered_in_the_next_one(own: Desk) -> None:
    """It has more retries than the message of this run: only the record knows that it is older."""
    job = own.send("add", x=1, y=2)
    take(own)
    republish(own, job.id, 3)
    old = own.client.lindex("celery", 0)
    finish(own, take(own))
    own.client.lpush("celery", old)  # it comes up again
    republish(own, job.id, 0)
    fetched = fetch(own, 5)
    assert fetched.dropped == [old]
    assert [json.loads(d.raw)["headers"]["retries"] for d in fetched.deliveries] == [0]


def test_a_delivery_that_came_too_early_and_was_left_behind_does_not_wait(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    [delivery] = fetch(own).deliveries
    republish(own, job.id, 1)
    assert moves.defer(own.client, own.space, delivery.token, 50.0)
    assert (own.client.zcard("celeriac:delayed"), own.state(job.id), ready(own)) == (0, State.QUEUED, 1)


def test_a_delivery_that_came_too_early_for_a_job_that_was_asked_to_stop_ends_it(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    [delivery] = fetch(own).deliveries
    own.cancel(job.id)
    assert moves.defer(own.client, own.space, delivery.token, 50.0)
    assert (own.client.zcard("celeriac:delayed"), own.state(job.id)) == (0, State.CANCELLED)
    agrees(own, job.id)


def test_a_purged_message_that_its_job_left_behind_does_not_cancel_it(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    republish(own, job.id, 1)
    script("purge")(own.client, *own.space.head(), "celery", "celery", 1, "purged", "{}")
    assert (own.state(job.id), ready(own)) == (State.QUEUED, 1)


def test_a_cancelled_job_that_is_asked_for_again_is_not_asked_to_stop(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    own.cancel(job.id)
    finish(own, token, Move.CANCELLED)
    own.retry(job.id)
    assert own.read(job.id).cancel == ""
    assert finish(own, take(own)) == "ok"
    assert own.state(job.id) is State.SUCCEEDED


# -- ends that come together -------------------------------------------------------------------------------------


def ends_of(desk: Desk, n: int) -> list[moves.Finish]:
    """Submit n jobs, let a worker have them, and return what ends them well."""
    for _ in range(n):
        desk.send("add", x=1, y=2)
    tokens = [delivery.token.rpartition(":") for delivery in fetch(desk, n).deliveries]
    return [moves.Finish(id, Move.SUCCEED, int(fence)) for id, _, fence in tokens]


@pytest.mark.parametrize("damage", ["no record", "no number"])
def test_an_end_that_its_own_record_refuses_is_a_dead_letter_and_the_others_hold(own: Desk, damage: str) -> None:
    ends = ends_of(own, 3)
    first, broken, last = (end.id for end in ends)
    if damage == "no record":
        own.client.set(f"celeriac:job:{broken}", "no record")
    else:
        own.client.hset(f"celeriac:job:{broken}", "seq", "no number")
    outcomes = Batch(ends=ends).write(wired(own.client), own.space)[2]

    assert (outcomes[0], outcomes[1][0], outcomes[2]) == ("ok", "!", "ok")
    assert (own.state(first), own.state(last)) == (State.SUCCEEDED, State.SUCCEEDED)
    assert own.in_flight() == []
    assert own.client.hgetall("celeriac:totals")[b"succeeded"] == b"2"
    letter = dead.find(own.client, own.space, broken)
    assert letter is not None
    assert letter.reason == "its end cannot be written"
    assert own.meta(broken)["status"] == "FAILURE"


def test_ends_that_a_key_of_all_refuses_wait_until_it_is_mended(own: Desk) -> None:
    ends = ends_of(own, 2)
    own.client.rename("celeriac:journal", "aside")
    own.client.set("celeriac:journal", "no stream")
    with pytest.raises(clients.ResponseError):
        Batch(ends=ends).write(wired(own.client), own.space)
    assert sorted(own.in_flight()) == sorted(end.token for end in ends)
    assert dead.count(own.client, own.space) == 0
    own.client.rename("aside", "celeriac:journal")
    Batch(ends=ends).write(wired(own.client), own.space)
    assert ([own.state(end.id) for end in ends], own.in_flight()) == ([State.SUCCEEDED] * 2, [])


def test_two_ends_of_one_delivery_in_one_move_are_one(own: Desk) -> None:
    own.send("add", x=1, y=2)
    id, _, fence = fetch(own).deliveries[0].token.rpartition(":")
    ends = [moves.Finish(id, move, int(fence)) for move in (Move.SUCCEED, Move.FAIL)]
    assert Batch(ends=ends).write(wired(own.client), own.space)[2] == ["ok", "done"]
    assert (own.state(id), own.in_flight()) == (State.SUCCEEDED, [])


# -- tombstones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", ["cancelled in its queue", "ended late", "put back after its end", "cancelled in a chord before its time"]
)
def test_the_tombstone_of_a_job_waits_for_its_message(own: Desk, how: str) -> None:
    """Whatever its retention is: as long as the message is among the ready ones, it must not run again."""
    if how == "cancelled in a chord before its time":
        headers = [own.task("add").s(1, 1).set(countdown=50), own.task("add").s(2, 2)]
        id = chord(headers, own.task("total").s()).apply_async().parent.results[0].id
    else:
        id = own.send("add", x=1, y=2).id
    if how.startswith("cancelled"):
        own.cancel(id)
    elif how == "ended late":
        token = take(own)
        moves.put_back(own.client, own.space, [token], "given back")
        assert finish(own, token) == "ok"
    else:
        token = take(own)
        end = moves.Finish(id, Move.SUCCEED, int(token.rpartition(":")[2]), acknowledge=False)
        moves.finish(own.client, own.space, end)
        moves.put_back(own.client, own.space, [token], "given back")
    assert tombstone(own, id) == -1
    own.client.delete(f"celeriac:job:{id}")  # past its retention
    assert id not in [delivery.token.rpartition(":")[0] for delivery in fetch(own, 5).deliveries]
    assert tombstone(own, id) > 0


def test_a_message_that_was_come_across_lets_the_tombstone_end(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    own.cancel(job.id)
    assert len(fetch(own).dropped) == 1
    assert tombstone(own, job.id) > 0
    assert record.kept_message(own.client, own.space, job.id) is not None


def test_a_purged_message_of_a_cancelled_job_lets_its_tombstone_end(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    own.cancel(job.id)
    script("purge")(own.client, *own.space.head(), "celery", "celery", 5, "purged", "{}")
    assert tombstone(own, job.id) > 0
