"""Who holds the lease of a job, and what it may still do: each rule said as a sentence, without a worker."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from celeriac.job import Move, State
from celeriac.store import moves
from celeriac.store.scripts import script
from tests.record.desk import Desk, agrees
from tests.record.steps import LISTS, fetch, finish, lose, ready, republish, take

# -- losses -----------------------------------------------------------------------------------------------------


def test_a_job_is_dead_lettered_at_the_last_loss_allowed_and_not_before(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    for loss in range(1, own.space.max_losses):
        assert lose(own, take(own)) == []
        assert (own.read(job.id).state, own.read(job.id).losses) == (State.QUEUED, loss)
    [(buried, _)] = lose(own, take(own))
    found = own.read(job.id)
    assert (buried, found.state, found.losses) == (job.id, State.LOST, own.space.max_losses)
    assert ready(own) == 0
    agrees(own, job.id)


def test_a_delivery_that_was_lost_before_it_began_does_not_count(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    [delivery] = fetch(own).deliveries
    assert lose(own, delivery.token) == []
    assert (own.read(job.id).losses, own.read(job.id).attempts, ready(own)) == (0, (), 1)


def test_an_attempt_that_is_never_repeated_is_dead_lettered_at_its_first_loss(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    [delivery] = fetch(own).deliveries
    assert moves.start(own.client, own.space, delivery.token, "w", 0.0, "", once=True) == "ok"
    [(buried, _)] = lose(own, delivery.token)
    assert (buried, own.state(job.id), ready(own)) == (job.id, State.LOST, 0)


@pytest.mark.parametrize("lost", [True, False])
def test_an_attempt_that_is_never_repeated_may_be_when_it_is_asked_for_again(own: Desk, lost: bool) -> None:
    job = own.send("add", x=1, y=2)
    [delivery] = fetch(own).deliveries
    moves.start(own.client, own.space, delivery.token, "w", 0.0, "", once=True)
    lose(own, delivery.token)
    own.retry(job.id)
    token = take(own)
    moves.put_back(own.client, own.space, [token], "worker lost" if lost else "worker stopped", lost=lost)
    assert (own.state(job.id), own.read(job.id).losses, ready(own)) == (State.QUEUED, int(lost), 1)


def test_a_lost_delivery_whose_job_was_published_again_is_dropped(own: Desk) -> None:
    """A producer of its own asked for the next try beside it: that message alone runs."""
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1)
    assert lose(own, first) == []
    assert (ready(own), own.read(job.id).losses, own.counter("dropped")) == (1, 0, 1)
    [delivery] = fetch(own, 5).deliveries
    assert json.loads(delivery.raw)["headers"]["retries"] == 1


@pytest.mark.parametrize("lost", [True, False])
def test_a_job_that_was_asked_to_stop_ends_as_cancelled_when_its_delivery_comes_back(own: Desk, lost: bool) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    assert own.cancel(job.id) == "cancelling"
    moves.put_back(own.client, own.space, [token], "worker lost" if lost else "worker stopped", lost=lost)
    found = own.read(job.id)
    assert (found.state, found.reason, ready(own)) == (State.CANCELLED, "by hand", 0)
    agrees(own, job.id)


def test_a_next_try_of_a_job_that_was_asked_to_stop_is_not_delivered(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    take(own)
    own.cancel(job.id)
    republish(own, job.id, 1)
    assert (fetch(own).deliveries, own.state(job.id)) == ([], State.CANCELLED)
    agrees(own, job.id)


@pytest.mark.parametrize("released", [False, True])
def test_a_retry_that_waits_never_runs_when_its_attempt_ended_otherwise(own: Desk, released: bool) -> None:
    """It was over its time limit after it had published its retry."""
    job = own.send("add", x=1, y=2)
    token = take(own)
    republish(own, job.id, 1, token, countdown=50)
    assert finish(own, token, Move.FAIL) == "ok"
    if released:
        script("release")(own.client, *own.space.head(), "delayed", 5)
        assert ready(own) == 0
    own.client.zadd("celeriac:delayed", {f"{job.id}:1": 1}, xx=True)
    assert fetch(own, 5).deliveries == []
    assert (own.state(job.id), own.client.zcard("celeriac:delayed")) == (State.FAILED, 0)


# -- fences -----------------------------------------------------------------------------------------------------


def test_an_attempt_may_tell_of_its_retry_after_that_was_fetched(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    first = take(own)
    republish(own, job.id, 1, first)
    second = take(own)
    assert finish(own, first, Move.RETRY) == "ok"
    assert (own.counter("late_results"), own.state(job.id)) == (0, State.RUNNING)
    assert finish(own, second) == "ok"
    assert [a.outcome for a in own.read(job.id).attempts] == ["retry", "succeeded"]


def test_an_attempt_cannot_start_under_a_lease_that_is_not_the_jobs_present_one(own: Desk) -> None:
    """It was fetched, and before it began the job ended and was published again under its id."""
    job = own.send("add", x=1, y=2)
    [old] = fetch(own).deliveries
    finish(own, old.token, Move.FAIL)
    own.client.zadd(
        "celeriac:inflight", {old.token: own.now() + 10_000}
    )  # a heartbeat cannot do that: a move gone wrong
    own.retry(job.id)
    assert moves.start(own.client, own.space, old.token, "w", 0.0, "") == "late"
    assert own.read(job.id).attempt == 1


def test_the_attempt_of_the_last_run_cannot_end_the_next_one_before_it_is_fetched(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    assert finish(own, token, Move.FAIL) == "ok"
    own.retry(job.id)
    assert finish(own, token) == "late"
    assert own.state(job.id) is State.QUEUED
    assert own.meta(job.id) == {}


@pytest.mark.parametrize("how", ["cannot run", "comes back"])
def test_the_next_run_is_not_touched_when_a_delivery_of_the_last_one(own: Desk, how: str) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    end = moves.Finish(job.id, Move.FAIL, int(token.rpartition(":")[2]), acknowledge=False)
    moves.finish(own.client, own.space, end)
    own.retry(job.id)
    take(own)
    assert own.cancel(job.id) == "cancelling"
    before = own.read(job.id)
    if how == "cannot run":
        assert moves.bury(own.client, own.space, token, "unknown task", close=True)
    else:
        lose(own, token)
    assert replace(own.read(job.id), lease_left=None) == replace(before, lease_left=None)
    assert len(own.in_flight()) == 1


def test_a_heartbeat_renews_the_lease_and_makes_none_anew(own: Desk) -> None:
    own.send("add", x=1, y=2)
    token = take(own)
    own.client.zadd("celeriac:inflight", {token: own.now() + 1000})
    assert moves.tend(own.client, own.space, [token]).gone == []
    assert own.client.zscore("celeriac:inflight", token) > own.now() + 10_000
    lose(own, token)
    assert moves.tend(own.client, own.space, [token]).gone == [token]
    assert own.in_flight() == []


def test_a_worker_that_hands_in_its_acknowledgements_with_a_fetch_has_given_them(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    assert own.in_flight() == [token]
    moves.fetch(own.client, own.space, 1, LISTS, [token])
    assert own.in_flight() == []
    assert own.client.hlen("celeriac:inflight:messages") == 0
    assert own.client.pttl(f"celeriac:job:{job.id}") > 0  # nobody will tell how it ended


def test_a_job_whose_next_try_is_published_does_not_expire_with_the_acknowledgement_of_the_last(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    republish(own, job.id, 1, token)
    assert moves.settle(own.client, own.space, [token]) == 1
    assert own.client.pttl(f"celeriac:job:{job.id}") == -1


# -- asked to stop ----------------------------------------------------------------------------------------------


def test_a_delivery_whose_job_was_asked_to_stop_does_not_start(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    [delivery] = fetch(own).deliveries
    assert own.cancel(job.id) == "cancelling"
    assert moves.start(own.client, own.space, delivery.token, "w", 0.0, "") == "cancelled"
    assert own.read(job.id).attempt == 0


def test_an_attempt_hears_with_its_report_that_it_is_to_stop(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    assert moves.report(own.client, own.space, 5, [moves.Report(token, '{"current": 1}')]) == []
    own.cancel(job.id)
    assert moves.report(own.client, own.space, 5, [moves.Report(token, '{"current": 2}')]) == [token]


def test_a_report_after_the_end_is_refused_and_counted(own: Desk) -> None:
    """Also while the delivery is not acknowledged yet, as that of a chord's part."""
    job = own.send("add", x=1, y=2)
    token = take(own)
    end = moves.Finish(job.id, Move.FAIL, int(token.rpartition(":")[2]), acknowledge=False)
    moves.finish(own.client, own.space, end)
    moves.report(own.client, own.space, 5, [moves.Report(token, '{"current": 1}', '{"status": "PROGRESS"}', ["line"])])
    assert (own.counter("late_reports"), own.read(job.id).progress, own.lines(job.id)) == (1, None, [])
