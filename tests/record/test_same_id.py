"""One id, many messages: each rule of the record, said as a sentence. No worker runs here: the test is the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult

from celeriac.job import Move, State
from celeriac.store import moves
from tests.record.desk import Desk, agrees

LISTS = [("celery", "celery", True)]


@pytest.fixture
def own(broker_url: str) -> Desk:
    return Desk(broker_url)


def fetch(desk: Desk, n: int = 1) -> moves.Fetched:
    return moves.fetch(desk.client, desk.space, n, LISTS)


def take(desk: Desk) -> moves.Delivery:
    """Fetch one message and start its job."""
    [delivery] = fetch(desk).deliveries
    assert moves.start(desk.client, desk.space, delivery.token, "w", 0.0, "") == "ok"
    return delivery


def finish(desk: Desk, token: str, move: Move = Move.SUCCEED, status: str = "SUCCESS") -> str:
    id, _, fence = token.rpartition(":")
    meta = json.dumps({"status": status, "result": None, "traceback": None, "children": [], "task_id": id})
    return moves.finish(desk.client, desk.space, moves.Finish(id, move, int(fence), meta, worker="w"))


def republish(desk: Desk, id: str, retries: int, token: str = "", **options: Any) -> None:
    """Publish under an id again, as Celery's retry does."""
    headers = {"celeriac_lease": token} if token else {}
    desk.send("add", x=1, y=2, options={"task_id": id, "retries": retries, "headers": headers, **options})


def ready(desk: Desk) -> int:
    return int(desk.client.llen("celery"))


# -- messages of a live job -------------------------------------------------------------------------------------


def test_publishing_a_live_id_with_the_same_retries_changes_nothing(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    before = own.read(job.id)
    republish(own, job.id, 0)
    assert own.read(job.id) == before
    assert ready(own) == 1


def test_publishing_a_live_id_with_higher_retries_supersedes_it(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    republish(own, job.id, 1)
    assert own.read(job.id).retries == 1
    fetched = fetch(own, 5)
    assert len(fetched.deliveries) == 1
    assert json.loads(fetched.deliveries[0].raw)["headers"]["retries"] == 1
    assert len(fetched.dropped) == 1


def test_an_attempt_that_lost_its_lease_cannot_publish_a_retry(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    moves.put_back(own.client, own.space, [first.token], "worker lost", True)
    second = take(own)
    republish(own, job.id, 1, first.token)
    assert own.read(job.id).retries == 0
    assert own.counter("late_retries") == 1
    assert finish(own, second.token) == "ok"


def test_the_result_of_an_attempt_that_lost_its_lease_is_refused_and_counted(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    moves.put_back(own.client, own.space, [first.token], "worker lost", True)
    second = take(own)
    assert finish(own, first.token, Move.FAIL, "FAILURE") == "late"
    assert own.read(job.id).state is State.RUNNING
    assert own.meta(job.id) == {}
    assert finish(own, second.token) == "ok"
    assert finish(own, first.token, Move.FAIL, "FAILURE") == "late"
    assert own.counter("late_results") == 2
    found = own.read(job.id)
    assert (found.state, found.losses) == (State.SUCCEEDED, 1)
    assert [a.outcome for a in found.attempts] == ["worker lost", "succeeded"]
    agrees(own, job.id)


def test_a_second_end_of_the_same_attempt_is_refused_and_counted(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own).token
    assert finish(own, token, Move.FAIL, "FAILURE") == "ok"
    assert finish(own, token) == "done"
    assert own.counter("second_ends") == 1
    assert own.read(job.id).state is State.FAILED
    agrees(own, job.id)


def test_a_retry_waits_as_retrying_and_is_another_attempt_when_it_is_due(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first.token, countdown=50)
    assert own.read(job.id).state is State.RETRYING
    assert finish(own, first.token, Move.RETRY, "RETRY") == "ok"
    found = own.read(job.id)
    assert (found.state, found.attempt) == (State.RETRYING, 1)
    assert [a.outcome for a in found.attempts] == ["retry"]
    agrees(own, job.id)
    own.client.zadd("celeriac:delayed", {f"{job.id}:1": 1})
    second = take(own)
    assert finish(own, second.token) == "ok"
    assert [a.outcome for a in own.read(job.id).attempts] == ["retry", "succeeded"]
    agrees(own, job.id)


def test_a_worker_lost_between_its_retry_and_telling_of_it_loses_and_repeats_nothing(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first.token, countdown=50)
    assert moves.put_back(own.client, own.space, [first.token], "worker lost", True) == []
    found = own.read(job.id)
    assert (found.state, found.losses) == (State.RETRYING, 0)
    assert [a.outcome for a in found.attempts] == ["retry"]
    assert ready(own) == 0


def test_a_job_cancelled_while_it_waits_for_its_retry_never_runs_again(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first.token, countdown=50)
    finish(own, first.token, Move.RETRY, "RETRY")
    assert own.cancel(job.id) == "cancelled"
    assert own.client.zcard("celeriac:delayed") == 0
    agrees(own, job.id)


def test_a_retry_of_a_job_that_was_cancelled_meanwhile_ends_it_as_cancelled(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    assert own.cancel(job.id) == "cancelling"
    republish(own, job.id, 1, first.token)
    assert finish(own, first.token, Move.RETRY, "RETRY") == "ok"
    assert own.read(job.id).state is State.CANCELLED
    assert ready(own) == 0
    agrees(own, job.id)


# -- messages of a job that has ended ---------------------------------------------------------------------------


@pytest.mark.parametrize("move", [Move.SUCCEED, Move.FAIL, Move.CANCELLED])
def test_a_message_of_a_job_that_has_ended_is_dropped(own: Desk, move: Move) -> None:
    job = own.send("add", x=1, y=2)
    raw = own.client.lindex("celery", 0)
    finish(own, take(own).token, move)
    own.client.lpush("celery", raw)
    fetched = fetch(own)
    assert fetched.deliveries == []
    assert fetched.dropped == [raw]
    assert own.read(job.id).state == {"succeed": "succeeded", "fail": "failed", "cancelled": "cancelled"}[move]


def test_a_caller_who_uses_an_id_again_gets_the_same_job_run_again(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    finish(own, take(own).token)
    republish(own, job.id, 0)
    found = own.read(job.id)
    assert (found.state, found.finished_at, found.result) == (State.QUEUED, None, None)
    assert own.meta(job.id) == {}
    assert [a.outcome for a in found.attempts] == ["succeeded"]
    finish(own, take(own).token, Move.FAIL, "FAILURE")
    found = own.read(job.id)
    assert (found.state, found.attempt) == (State.FAILED, 2)
    assert [a.outcome for a in found.attempts] == ["succeeded", "failed"]
    agrees(own, job.id)


def test_a_retry_of_a_job_that_has_ended_forgets_its_result_in_the_same_move(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    finish(own, take(own).token, Move.FAIL, "FAILURE")
    own.retry(job.id)
    assert own.meta(job.id) == {}
    assert own.read(job.id).state is State.QUEUED
    finish(own, take(own).token)
    agrees(own, job.id)


def test_the_message_is_kept_for_failed_cancelled_and_lost_jobs_only(own: Desk) -> None:
    kept = {}
    for move in (Move.SUCCEED, Move.FAIL, Move.CANCELLED):
        job = own.send("add", x=1, y=2)
        finish(own, take(own).token, move)
        kept[move] = own.client.exists(f"celeriac:kept:{job.id}")
    assert kept == {Move.SUCCEED: 0, Move.FAIL: 1, Move.CANCELLED: 1}


def test_a_parent_that_runs_twice_does_not_run_its_followers_twice(own: Desk) -> None:
    """It was frozen beyond its lease, or killed after it had published them."""
    parent = own.send("add", x=1, y=2)
    child = "the-child"
    own.send("add", x=1, y=2, options={"task_id": child, "parent_id": parent.id, "root_id": parent.id})
    take(own)
    finish(own, take(own).token)
    own.send("add", x=1, y=2, options={"task_id": child, "parent_id": parent.id, "root_id": parent.id})
    assert own.read(child).state is State.SUCCEEDED
    assert ready(own) == 0


# -- jobs that are not published yet ----------------------------------------------------------------------------


def ids_of(result: Any) -> set[str]:
    """Return the ids of a result, of its parents and of what is in its groups."""
    found: set[str] = set()
    while result is not None:
        if isinstance(result, AsyncResult):
            found.add(result.id)
        for inner in getattr(result, "results", None) or ():
            found |= ids_of(inner)
        result = result.parent
    return found


def canvases(desk: Desk) -> dict[str, Any]:
    add, total = desk.task("add"), desk.task("total")
    pair = [add.s(1, 1), add.s(2, 2)]
    return {
        "chain": chain(add.s(1, 1), add.s(2), add.s(3)),
        "chord": chord(pair, total.s()),
        "chain with a chord": chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s(), add.s(3)),
        "chord with a chain as its body": chord(pair, chain(total.s(), add.s(1))),
        "chord in a chord": chord([chain(add.s(1, 1), group(add.s(1), add.s(2)) | total.s()), add.s(1, 1)], total.s()),
        "chain in a chord": chord([chain(add.s(1, 1), add.s(2)), add.s(3, 3)], total.s()),
        "group of chains": group(chain(add.s(1, 1), add.s(2)), chain(add.s(3, 3), add.s(4))),
    }


NAMES = [
    "chain", "chord", "chain with a chord", "chord with a chain as its body", "chord in a chord", "chain in a chord",
    "group of chains",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_id_that_a_caller_gets_is_known_at_once(own: Desk, name: str) -> None:
    result = canvases(own)[name].apply_async()
    published = ready(own)
    records = {id: own.read(id) for id in ids_of(result)}
    waiting = [r for r in records.values() if r.state is State.SCHEDULED]
    assert [r.reason for r in waiting] == ["after its parent"] * len(waiting)
    assert len([r for r in records.values() if r.state is State.QUEUED]) == published
    assert len(records) == published + len(waiting)
    assert all(r.task.startswith("tests.record.jobs.") for r in records.values())
    assert waiting or name == "group"


@pytest.mark.parametrize(("how", "state"), [("cancelled", "cancelled"), ("lost", "failed")])
def test_what_follows_a_cancelled_or_lost_parent_ends_with_it(own: Desk, how: str, state: str) -> None:
    result = canvases(own)["chain with a chord"].apply_async()
    first = next(id for id in ids_of(result) if own.read(id).state is State.QUEUED)
    if how == "cancelled":
        own.cancel(first)
    else:
        space = moves.Space(max_losses=1)
        token = take(own).token
        moves.put_back(own.client, space, [token], "worker lost", True)
    assert own.read(first).state == how
    for id in ids_of(result) - {first}:
        found = own.read(id)
        assert (found.state, found.reason) == (state, f"its parent is {how}")
        assert own.client.pttl(f"celeriac:job:{id}") > 0
        agrees(own, id)


def test_a_retry_of_a_cancelled_parent_lets_its_chain_wait_again(own: Desk) -> None:
    result = canvases(own)["chain"].apply_async()
    first = result.parent.parent.id
    own.cancel(first)
    own.retry(first)
    for id in (result.id, result.parent.id):
        found = own.read(id)
        assert (found.state, found.reason, found.finished_at) == (State.SCHEDULED, "after its parent", None)
        assert own.meta(id) == {}
    own.send("add", x=1, y=2, options={"task_id": result.parent.id, "parent_id": first})
    assert own.read(result.parent.id).state is State.QUEUED


def test_a_follower_that_was_cancelled_is_not_queued_when_its_parent_is_done(own: Desk) -> None:
    result = canvases(own)["chain"].apply_async()
    assert own.cancel(result.parent.id) == "cancelled"
    before = ready(own)
    own.send("add", x=1, y=2, options={"task_id": result.parent.id, "parent_id": result.parent.parent.id})
    assert ready(own) == before
    assert own.read(result.parent.id).state is State.CANCELLED


def test_a_retry_of_a_succeeded_parent_leaves_its_chain_as_it_ended(own: Desk) -> None:
    result = canvases(own)["chain"].apply_async()
    first, second = result.parent.parent.id, result.parent.id
    finish(own, take(own).token)
    own.send("add", x=1, y=2, options={"task_id": second, "parent_id": first})
    finish(own, take(own).token)
    own.retry(first)
    assert own.read(second).state is State.SUCCEEDED
    assert own.read(first).state is State.QUEUED


@pytest.mark.parametrize("seen", [False, True])
def test_a_job_cancelled_while_it_was_ready_is_retried_whole(own: Desk, seen: bool) -> None:
    result = canvases(own)["chain"].apply_async()
    first = result.parent.parent.id
    own.cancel(first)
    if seen:  # a worker came across its message and dropped it
        assert len(fetch(own).dropped) == 1
    own.retry(first)
    own.cancel(first)
    own.retry(first)
    [delivery] = fetch(own, 5).deliveries
    assert len(json.loads(json.loads(delivery.raw)["body"])[2]["chain"]) == 2
    assert own.state(result.id) is State.SCHEDULED
