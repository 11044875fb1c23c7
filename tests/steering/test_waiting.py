"""Every job that has not ended says why it does not run, so that a person can do something about it."""

from __future__ import annotations

from celery import chain
from flask import Flask

from celeriac import actions
from celeriac.actions import Context, Waiting
from celeriac.job import Move
from celeriac.store import moves, record
from tests.hand import Hand


def why(context: Context, id: str) -> Waiting:
    found = actions.waiting(context, record.read(context.client, context.space, id))
    assert found is not None
    assert found.as_dict()["sentence"].endswith(".")
    return found


def test_jobs_in_a_queue_know_their_place_and_who_consumes_it(context: Context, hand: Hand) -> None:
    hand.listen("celery")
    ids = [actions.submit(context, "steered_double", {"n": n}) for n in range(4)]
    hand.take()

    told = [why(context, id) for id in ids[1:]]

    assert [(one.reason, one.position, one.ahead, one.length) for one in told] == [
        ("queued", n, n - 1, 3) for n in (1, 2, 3)
    ]
    assert told[0].sentence == "It is next on queue celery, which hand@test consumes."
    assert told[2].sentence.startswith("2 jobs are before it")
    assert told[0].consumers == ("hand@test",)


def test_a_place_is_not_told_where_others_may_be_more_urgent(context: Context, hand: Hand) -> None:
    hand.listen("celery")
    id = actions.submit(context, "steered_double", {"n": 1})
    actions.submit(context, "steered_double", {"n": 1}, priority=9)

    told = why(context, id)

    assert (told.reason, told.position, told.length) == ("queued", None, 2)
    assert "position" not in told.as_dict()


def test_a_guess_when_it_starts_is_told_while_the_queue_moves(context: Context, hand: Hand) -> None:
    ids = [actions.submit(context, "steered_double", {"n": n}) for n in range(30)]
    hand.listen("celery")
    pace = f"{context.space.keys}pace"
    at, n, *_ = context.client.hget(pace, "celery").split()
    context.client.hset(pace, "celery", f"{int(at) - 10_000} {int(n)} {int(at) - 10_000} {int(n)}")  # ten seconds ago
    assert why(context, ids[-1]).estimate is None  # nothing was taken since
    hand.take(n=10)

    told = why(context, ids[19])

    assert (told.position, told.length) == (10, 20)
    assert told.estimate is not None
    assert told.estimate >= 10  # ten were taken in ten seconds or more, and nine are before it
    assert "; at its present pace it starts in about " in told.sentence
    hand.take(n=20)
    hand.listen("celery")
    assert not context.client.hexists(pace, "celery")  # an idle queue's pace says nothing


def test_nobody_is_listening(context: Context, hand: Hand) -> None:
    hand.listen("other")
    told = why(context, actions.submit(context, "steered_greet", {"name": "Ada"}))

    assert (told.reason, told.queue, told.position) == ("no_worker", "letters", 1)
    assert told.sentence == "Nobody is listening on queue letters: start a worker with `-Q letters`."


def test_the_queue_is_paused(context: Context, hand: Hand) -> None:
    hand.listen("celery")
    id = actions.submit(context, "steered_double", {"n": 1})
    actions.pause(context, "celery")

    told = why(context, id)

    assert told.reason == "paused"
    assert told.since is not None


def test_it_is_scheduled(context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1}, delay=3600)

    told = why(context, id)

    assert told.reason == "scheduled"
    assert told.until == record.read(context.client, context.space, id).due


def test_its_time_has_come_and_nobody_is_there(context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1}, delay=3600)
    context.client.hset(f"{context.space.keys}job:{id}", "due", 1_700_000_000_000)

    assert why(context, id).reason == "no_worker"


def test_it_is_tried_again_later(app: Flask, context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()
    celery = app.extensions["celery"]
    name = context.jobs.find("steered_double").celery_name
    celery.tasks[name].apply_async(kwargs={"n": 1}, task_id=id, retries=2, countdown=60)
    hand.end(token, Move.RETRY, error="not yet")

    told = why(context, id)

    assert (told.reason, told.retry, told.retries) == ("retry", 2, 3)
    assert told.sentence.startswith("Retry 2 of 3 is due at ")


def test_it_follows_another_job(app: Flask, context: Context, hand: Hand) -> None:
    name = context.jobs.find("steered_double").celery_name
    double = app.extensions["celery"].tasks[name]
    last = chain(double.s(1), double.s()).apply_async()

    told = why(context, last.id)
    hand.end(hand.start(), Move.FAIL, error="it broke")
    after = why(context, last.id)

    assert (told.reason, told.parent, told.parent_state) == ("parent", last.parent.id, "queued")
    assert after.sentence == f"It does not run: job {last.parent.id}, which it follows, has failed."


def test_a_worker_has_it_but_has_not_started_it(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.take()

    assert why(context, id).reason == "starting"


def test_its_worker_is_silent_then_lost(context: Context, hand: Hand) -> None:
    hand.listen("celery")
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()
    assert actions.waiting(context, record.read(context.client, context.space, id)) is None
    context.client.zincrby(f"{context.space.keys}inflight", -15_000, token)

    silent = why(context, id)
    hand.lose(token)
    lost = why(context, id)

    assert silent.reason == lost.reason == "worker_lost"
    assert silent.sentence.startswith("Its worker hand@test has not been heard for 15 s")
    assert lost.sentence.startswith("Its worker was lost (1 of 3 times), so it runs again: it is next")


def test_it_was_asked_to_stop(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()
    actions.cancel(context, id)

    assert why(context, id).reason == "cancelling"
    assert moves.put_back(context.client, context.space, [token], "stopped") == []
    assert actions.waiting(context, record.read(context.client, context.space, id)) is None
