"""A job's record says what happened; what has ended can run again, or be forgotten."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from celery import chain
from celery.result import AsyncResult
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.errors import Conflict, ExpiredJob, InvalidArguments, UnknownJob, UnknownTask
from celeriac.job import Move
from celeriac.store import moves, record
from tests.hand import Hand
from tests.steering.steered import failed, read


def test_a_job_that_succeeded_says_all_of_it(context: Context, hand: Hand) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    id = actions.submit(context, "steered_double", {"n": 21})
    queued = read(context, id)
    hand.end(hand.start(), Move.SUCCEED, 42)

    job = read(context, id)

    assert (queued.state, queued.celery_state, queued.done) == ("queued", "PENDING", False)
    assert (job.state, job.celery_state, job.done) == ("succeeded", "SUCCESS", True)
    assert (job.result, job.error, job.args, job.kwargs) == (42, None, [], {"n": 21})
    assert (job.attempt, job.worker, job.queue) == (1, "hand@test", "celery")
    assert job.created_at is not None
    assert job.started_at is not None
    assert job.finished_at is not None
    assert before <= job.created_at <= job.started_at <= job.finished_at
    assert job.seq > queued.seq


def test_a_job_that_failed_says_why(context: Context, hand: Hand) -> None:
    job = read(context, failed(context, hand, n=1))

    assert (job.state, job.celery_state, job.result) == ("failed", "FAILURE", None)
    assert job.error == {"type": "ValueError", "message": "it broke", "traceback": "line 1"}


def test_a_running_job_says_how_far_it_is_and_what_it_wrote(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()
    lines = [json.dumps({"t": 1_700_000_000_000, "l": "info", "m": f"line {n}"}) for n in range(450)]
    far = json.dumps({"state": "PROGRESS", "current": 1, "total": 2})
    moves.report(context.client, context.space, 1000, [moves.Report(token, far, "", lines)])

    job = read(context, id)
    log = record.log(context.client, context.space, id)

    assert (job.celery_state, job.progress) == ("PROGRESS", {"state": "PROGRESS", "current": 1, "total": 2})
    assert [line.text for line in log] == [f"line {n}" for n in range(450)]
    assert (log[0].level, log[0].at) == ("info", datetime.fromtimestamp(1_700_000_000, UTC))
    assert record.log(context.client, context.space, id, log[-3].seq) == log[-2:]
    assert record.log(context.client, context.space, id, log[100].seq) == log[101:]


def test_many_records_are_read_in_one_go(context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})

    found = record.read_many(context.client, context.space, [id, "nobody"])

    assert [job and job.id for job in found] == [id, None]


def test_an_id_that_was_never_submitted_is_unknown_and_one_past_its_time_has_expired(
    context: Context, hand: Hand
) -> None:
    with pytest.raises(UnknownJob):
        read(context, "nobody")
    id = failed(context, hand, n=1)
    context.client.delete(f"{context.space.keys}job:{id}")
    with pytest.raises(ExpiredJob, match="past its retention"):
        read(context, id)
    for ask in (actions.cancel, actions.retry, actions.delete):
        with pytest.raises(ExpiredJob):
            ask(context, id)
        with pytest.raises(UnknownJob):
            ask(context, "nobody")


def test_what_cannot_be_queued_is_told_and_leaves_nothing(context: Context) -> None:
    with pytest.raises(UnknownTask, match="steered_double"):
        actions.submit(context, "steered_dubble", {"n": 1})
    with pytest.raises(InvalidArguments) as wrong:
        actions.submit(context, "steered_double", {"n": "1"})
    assert [entry["pointer"] for entry in wrong.value.errors] == ["/n"]
    with pytest.raises(InvalidArguments) as wrong:
        actions.submit(context, "steered_double", {"n": 1}, delay=float("nan"), queue="a b", priority=12)
    assert [entry["pointer"] for entry in wrong.value.errors] == ["/delay", "/queue", "/priority"]
    for at in (datetime(2030, 1, 1), datetime(3030, 1, 1, tzinfo=UTC)):
        with pytest.raises(InvalidArguments, match="like this"):
            actions.submit(context, "steered_double", {"n": 1}, run_at=at)
    assert context.client.dbsize() == 0


def test_a_cancelled_job_that_waits_never_starts(app: Flask, context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})

    assert actions.cancel(context, id) == "cancelled"
    assert actions.cancel(context, id) == "cancelled"

    assert hand.take() == []
    assert AsyncResult(id, app=app.extensions["celery"]).state == "REVOKED"


def test_a_cancelled_job_that_runs_is_told_to_stop(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()

    assert actions.cancel(context, id, "not needed") == "cancelling"

    assert moves.tend(context.client, context.space, [token]).cancelled == [token]
    job = read(context, id)
    assert (job.state, job.cancel) == ("cancelling", "not needed")


def test_what_has_ended_is_not_cancelled(context: Context, hand: Hand) -> None:
    with pytest.raises(Conflict, match="failed already"):
        actions.cancel(context, failed(context, hand, n=1))


def test_a_deleted_job_is_gone_with_all_that_it_left(context: Context, hand: Hand) -> None:
    id = failed(context, hand, n=1)

    actions.delete(context, id)

    with pytest.raises(ExpiredJob, match="deleted"):
        read(context, id)
    with pytest.raises(ExpiredJob):
        actions.delete(context, id)
    left = {key.decode() for key in context.client.keys(f"*{id}*")}
    assert left == {f"{context.space.keys}gone:{id}"}


def test_a_job_cancelled_in_the_queue_and_deleted_never_runs(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    actions.cancel(context, id)
    actions.delete(context, id)

    assert hand.take(n=5) == []


def test_a_follower_that_is_cancelled_does_not_run_when_its_parent_is_done(app: Flask, context: Context) -> None:
    celery = app.extensions["celery"]
    double = celery.tasks[context.jobs.find("steered_double").celery_name]
    follower = chain(double.s(1), double.s()).apply_async().id
    assert actions.cancel(context, follower) == "cancelled"

    double.apply_async(args=(2,), task_id=follower)  # what its parent's worker does

    assert read(context, follower).state == "cancelled"
    assert context.client.llen("celery") == 1
    with pytest.raises(Conflict, match="it follows job"):
        actions.retry(context, follower)
