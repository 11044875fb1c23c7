"""One id, many messages: each rule of the record, said as a sentence. No worker runs here: the test is the worker."""

from __future__ import annotations

import json

import pytest

from celeriac.job import Move, State
from celeriac.store.scripts import script
from tests.record.desk import Desk, agrees
from tests.record.steps import fetch, finish, lose, ready, republish, take

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


@pytest.mark.parametrize("how", ["is due", "is released"])
def test_a_delayed_message_that_its_job_left_behind_changes_nothing_when_it(own: Desk, how: str) -> None:
    job = own.send("add", x=1, y=2, options={"countdown": 50})
    republish(own, job.id, 1)
    token = take(own)
    if how == "is due":
        own.client.zadd("celeriac:delayed", {f"{job.id}:0": 1})
        assert fetch(own).deliveries == []
    else:
        script("release")(own.client, *own.space.head(), "delayed", 5)
    assert (own.read(job.id).state, ready(own)) == (State.RUNNING, 0)
    assert own.client.zcard("celeriac:delayed") == 0
    assert finish(own, token) == "ok"


def test_an_attempt_that_lost_its_lease_cannot_publish_a_retry(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    lose(own, first)
    second = take(own)
    republish(own, job.id, 1, first)
    assert own.read(job.id).retries == 0
    assert own.counter("late_retries") == 1
    assert finish(own, second) == "ok"


def test_the_result_of_an_attempt_that_lost_its_lease_is_refused_and_counted(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    lose(own, first)
    second = take(own)
    assert finish(own, first, Move.FAIL) == "late"
    assert own.read(job.id).state is State.RUNNING
    assert own.meta(job.id) == {}
    assert finish(own, second) == "ok"
    assert finish(own, first, Move.FAIL) == "late"
    assert own.counter("late_results") == 2
    found = own.read(job.id)
    assert (found.state, found.losses) == (State.SUCCEEDED, 1)
    assert [a.outcome for a in found.attempts] == ["worker lost", "succeeded"]
    agrees(own, job.id)


def test_a_second_end_of_the_same_attempt_is_refused_and_counted(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    assert finish(own, token, Move.FAIL) == "ok"
    assert finish(own, token) == "done"
    assert own.counter("second_ends") == 1
    assert own.read(job.id).state is State.FAILED
    agrees(own, job.id)


def test_a_retry_waits_as_retrying_and_is_another_attempt_when_it_is_due(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first, countdown=50)
    assert own.read(job.id).state is State.RETRYING
    assert finish(own, first, Move.RETRY) == "ok"
    found = own.read(job.id)
    assert (found.state, found.attempt) == (State.RETRYING, 1)
    assert [a.outcome for a in found.attempts] == ["retry"]
    agrees(own, job.id)
    own.client.zadd("celeriac:delayed", {f"{job.id}:1": 1})
    second = take(own)
    assert finish(own, second) == "ok"
    assert [a.outcome for a in own.read(job.id).attempts] == ["retry", "succeeded"]
    agrees(own, job.id)


def test_a_worker_lost_between_its_retry_and_telling_of_it_loses_and_repeats_nothing(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first, countdown=50)
    assert lose(own, first) == []
    found = own.read(job.id)
    assert (found.state, found.losses) == (State.RETRYING, 0)
    assert [a.outcome for a in found.attempts] == ["retry"]
    assert ready(own) == 0


def test_a_job_cancelled_while_it_waits_for_its_retry_never_runs_again(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first, countdown=50)
    finish(own, first, Move.RETRY)
    assert own.cancel(job.id) == "cancelled"
    assert own.client.zcard("celeriac:delayed") == 0
    agrees(own, job.id)


def test_a_retry_of_a_job_that_was_cancelled_meanwhile_ends_it_as_cancelled(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    assert own.cancel(job.id) == "cancelling"
    republish(own, job.id, 1, first)
    assert finish(own, first, Move.RETRY) == "ok"
    assert own.read(job.id).state is State.CANCELLED
    assert ready(own) == 0
    agrees(own, job.id)


def test_an_attempt_whose_job_is_forgotten_is_late_with_its_result_and_its_retry(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    lose(own, first)
    finish(own, take(own))
    own.client.delete(f"celeriac:job:{job.id}", f"celery-task-meta-{job.id}")  # past its retention
    republish(own, job.id, 1, first)
    assert (ready(own), own.counter("late_retries")) == (0, 1)
    own.client.delete(f"celeriac:gone:{job.id}")  # and past its tombstone
    assert finish(own, first) == "late"
    assert own.meta(job.id) == {}
    assert own.counter("late_results") == 1


def test_the_end_of_a_job_that_never_went_through_a_queue_is_celerys_result_alone(own: Desk) -> None:
    assert finish(own, "eager:0") == "ok"
    assert own.meta("eager")["status"] == "SUCCESS"
    assert own.state("eager") is None


def test_a_message_of_which_only_the_list_knows_is_a_job_like_any_other(own: Desk) -> None:
    """A stock producer's: the record is made when it is fetched."""
    job = own.send("add", x=1, y=2)
    own.client.delete(f"celeriac:job:{job.id}")
    assert finish(own, take(own)) == "ok"
    assert own.read(job.id).state is State.SUCCEEDED
    agrees(own, job.id)


# -- messages of a job that has ended ---------------------------------------------------------------------------


@pytest.mark.parametrize("move", [Move.SUCCEED, Move.FAIL, Move.CANCELLED])
def test_a_message_of_a_job_that_has_ended_is_dropped(own: Desk, move: Move) -> None:
    job = own.send("add", x=1, y=2)
    raw = own.client.lindex("celery", 0)
    finish(own, take(own), move)
    own.client.lpush("celery", raw)
    fetched = fetch(own)
    assert fetched.deliveries == []
    assert fetched.dropped == [raw]
    assert own.read(job.id).state == {"succeed": "succeeded", "fail": "failed", "cancelled": "cancelled"}[move]


def test_a_caller_who_uses_an_id_again_gets_the_same_job_run_again(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    finish(own, take(own))
    republish(own, job.id, 0)
    found = own.read(job.id)
    assert (found.state, found.finished_at, found.result) == (State.QUEUED, None, None)
    assert own.meta(job.id) == {}
    assert [a.outcome for a in found.attempts] == ["succeeded"]
    finish(own, take(own), Move.FAIL)
    found = own.read(job.id)
    assert (found.state, found.attempt) == (State.FAILED, 2)
    assert [a.outcome for a in found.attempts] == ["succeeded", "failed"]
    agrees(own, job.id)


def test_a_retry_of_a_job_that_has_ended_forgets_its_result_in_the_same_move(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    finish(own, take(own), Move.FAIL)
    own.retry(job.id)
    assert own.meta(job.id) == {}
    assert own.read(job.id).state is State.QUEUED
    finish(own, take(own))
    agrees(own, job.id)


def test_the_message_is_kept_for_failed_cancelled_and_lost_jobs_only(own: Desk) -> None:
    kept = {}
    for move in (Move.SUCCEED, Move.FAIL, Move.CANCELLED):
        job = own.send("add", x=1, y=2)
        finish(own, take(own), move)
        kept[move] = own.client.exists(f"celeriac:kept:{job.id}")
    assert kept == {Move.SUCCEED: 0, Move.FAIL: 1, Move.CANCELLED: 1}


def test_a_parent_that_runs_twice_does_not_run_its_followers_twice(own: Desk) -> None:
    """It was frozen beyond its lease, or killed after it had published them."""
    parent = own.send("add", x=1, y=2)
    child = "the-child"
    own.send("add", x=1, y=2, options={"task_id": child, "parent_id": parent.id, "root_id": parent.id})
    take(own)
    finish(own, take(own))
    own.send("add", x=1, y=2, options={"task_id": child, "parent_id": parent.id, "root_id": parent.id})
    assert own.read(child).state is State.SUCCEEDED
    assert ready(own) == 0
