"""A job that ended runs again under its id, once, with its history."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.result import AsyncResult
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.errors import Conflict, InvalidArguments, UnknownJob
from celeriac.job import Move
from celeriac.queue.message import ANEW_HEADER
from tests.hand import Hand
from tests.steering.steered import failed, read


def at_once(context: Context, id: str) -> list[bool]:
    """Retry a job eight times at the same moment; return for each whether it was done."""
    together = threading.Barrier(8)

    def retry(_: int) -> bool:
        together.wait(60)
        try:
            actions.retry(context, id)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(retry, range(8)))


def test_a_failed_job_runs_again_under_its_id_with_its_history(app: Flask, context: Context, hand: Hand) -> None:
    id = failed(context, hand, n=21)
    ended = read(context, id)

    actions.retry(context, id)

    job = read(context, id)
    assert (job.state, job.error, job.started_at, job.kwargs) == ("queued", None, None, {"n": 21})
    assert job.created_at == ended.created_at
    assert [(one.outcome, one.worker, one.ended_at) for one in job.attempts] == [
        ("failed", "hand@test", ended.finished_at)
    ]
    assert AsyncResult(id, app=app.extensions["celery"]).state == "PENDING"
    hand.end(hand.start(), Move.SUCCEED, 42)
    job = read(context, id)
    assert (job.state, job.result, job.attempt) == ("succeeded", 42, 2)
    assert [attempt.outcome for attempt in job.attempts] == ["failed", "succeeded"]


def test_a_retry_may_have_other_arguments_if_they_fit(context: Context, hand: Hand) -> None:
    id = failed(context, hand, n=1)

    with pytest.raises(InvalidArguments):
        actions.retry(context, id, {"n": "two"})
    assert read(context, id).state == "failed"
    actions.retry(context, id, {"n": 2})

    assert read(context, id).kwargs == {"n": 2}
    [delivery] = hand.take()
    body = json.loads(json.loads(delivery.raw)["body"])
    assert body[:2] == [[], {"n": 2}]


def test_a_retry_has_all_its_own_retries_before_it_and_no_old_time_on_it(context: Context, hand: Hand) -> None:
    id = failed(context, hand, n=1)
    kept = json.loads(context.client.get(f"{context.space.keys}kept:{id}").split(b"\n", 2)[2])
    kept["headers"] |= {"retries": 3, "eta": "2020-01-01T00:00:00+00:00", "expires": "2020-01-01T00:00:00+00:00"}
    context.client.set(f"{context.space.keys}kept:{id}", f"celery\ncelery\n{json.dumps(kept)}")
    context.client.hset(f"{context.space.keys}job:{id}", "retries", 3)

    actions.retry(context, id)

    [delivery] = hand.take()
    headers = json.loads(delivery.raw)["headers"]
    assert (headers["retries"], headers["eta"], headers["expires"]) == (0, None, None)


def test_of_many_retries_at_once_one_is_done(context: Context, hand: Hand) -> None:
    id = failed(context, hand, n=1)

    assert at_once(context, id).count(True) == 1
    assert len(hand.take(n=9)) == 1


@pytest.mark.parametrize("turn", range(5))
def test_of_many_that_retry_a_job_that_succeeded_at_once_one_does(context: Context, hand: Hand, turn: int) -> None:
    """Its message is not kept: a new one is made, and the move that publishes it looks whether the job has ended."""
    id = actions.submit(context, "steered_double", {"n": turn})
    hand.end(hand.start())

    assert at_once(context, id).count(True) == 1
    assert len(hand.take(n=9)) == 1


def test_a_retry_that_finds_the_job_running_again_or_deleted_says_so(context: Context, hand: Hand) -> None:
    """What the slower of two hears, who had looked while the job was still over."""
    id = actions.submit(context, "steered_double", {"n": 1})
    anew = {"id": id, "headers": {ANEW_HEADER: True}}
    task = context.jobs.find("steered_double").celery_name

    with pytest.raises(Conflict, match="is queued: it has not ended"):
        context.send(task, {"n": 1}, **anew)
    hand.end(hand.start())
    actions.delete(context, id)
    with pytest.raises(UnknownJob):
        context.send(task, {"n": 1}, **anew)
    assert hand.take() == []


def test_a_job_that_has_not_ended_is_not_retried_or_deleted(context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})

    for ask in (actions.retry, actions.delete):
        with pytest.raises(Conflict, match="queued"):
            ask(context, id)


def test_a_job_that_succeeded_can_run_again_with_the_arguments_it_had(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_greet", {"name": "Ada"})
    hand.end(hand.start("letters"))

    actions.retry(context, id)

    assert read(context, id).kwargs == {"name": "Ada"}
    assert [delivery.token.rpartition(":")[0] for delivery in hand.take("letters")] == [id]


def test_arguments_too_large_to_keep_must_be_given_again(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_greet", {"name": "A" * 5000})
    hand.end(hand.start("letters"))

    with pytest.raises(Conflict, match="too large to keep"):
        actions.retry(context, id)
    actions.retry(context, id, {"name": "Ada"})

    assert read(context, id).state == "queued"


def test_a_job_cancelled_in_the_queue_and_retried_runs_once(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    actions.cancel(context, id)  # its message is still in the list

    actions.retry(context, id)

    assert len(hand.take(n=5)) == 1


def test_a_late_end_of_the_run_before_does_not_end_the_new_one(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    for _ in range(2):
        hand.lose(hand.start())
    frozen = hand.start()
    hand.lose(frozen)
    actions.requeue(context, [id])

    assert hand.end(frozen, Move.SUCCEED, "late") == "late"
    assert read(context, id).state == "queued"
