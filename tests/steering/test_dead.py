"""Dead letters are listed, shown, given another run, or thrown away."""

from __future__ import annotations

import pytest
from celery.result import AsyncResult
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.errors import Conflict, UnknownJob
from celeriac.job import Move
from celeriac.store import dead, record
from tests.hand import Hand


def ids(context: Context) -> list[str]:
    return [letter.id for letter in dead.list_letters(context.client, context.space)]


def test_a_job_lost_too_often_is_a_dead_letter_that_says_why(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_greet", {"name": "Ada"})
    assert hand.lose_for_good("letters") == id

    [letter] = dead.list_letters(context.client, context.space)

    assert (letter.id, letter.reason, letter.queue) == (id, "worker lost", "letters")
    assert letter.task == "steered_greet"
    assert b"Ada" in letter.raw
    job = record.read(context.client, context.space, id)
    assert job.state == "lost"
    assert job.error is not None
    assert [attempt.outcome for attempt in job.attempts] == ["worker lost"] * 3


def test_a_requeued_letter_runs_again_as_if_it_had_never_been_lost(app: Flask, context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()
    waiting = actions.submit(context, "steered_double", {"n": 2})

    assert actions.requeue(context, [id]) == ([id], [])

    job = record.read(context.client, context.space, id)
    assert (job.state, job.losses, job.reason, job.error) == ("queued", 0, "requeued", None)
    assert job.started_at is None
    assert len(job.attempts) == 3
    assert AsyncResult(id, app=app.extensions["celery"]).state == "PENDING"
    assert ids(context) == []
    taken = [delivery.token.rpartition(":")[0] for delivery in hand.take(n=5)]
    assert taken == [waiting, id]  # it goes to the tail


def test_a_letter_is_requeued_once(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()
    actions.requeue(context, [id])

    with pytest.raises(UnknownJob):
        actions.requeue(context, [id])
    assert len(hand.take(n=5)) == 1


def test_a_letter_whose_record_is_forgotten_becomes_a_job_again(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 21})
    hand.lose_for_good()
    context.client.delete(f"{context.space.keys}job:{id}")

    actions.requeue(context, [id])

    job = record.read(context.client, context.space, id)
    assert (job.state, job.kwargs) == ("queued", {"n": 21})
    assert context.client.ttl(f"{context.space.keys}job:{id}") == -1
    assert hand.end(hand.start()) == "ok"


def test_letters_are_listed_newest_first_in_pages_that_neither_repeat_nor_miss_one(
    context: Context, hand: Hand
) -> None:
    context.client.lpush("celery", *[f"garbage {n}" for n in range(25)])  # all in one move: at the same time
    hand.take(n=25)
    seen: list[str] = []
    after = None

    while page := dead.list_letters(context.client, context.space, 4, after):
        seen += [letter.id for letter in page]
        after = dead.cursor(page[-1])

    assert len(seen) == len(set(seen)) == 25 == dead.count(context.client, context.space)
    assert seen == sorted(seen, reverse=True)


def test_a_message_that_nobody_can_read_is_not_requeued(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()
    context.client.lpush("celery", "garbage")
    hand.take()
    [unreadable] = [one for one in ids(context) if one != id]

    with pytest.raises(Conflict, match="No worker can read"):
        actions.requeue(context, [unreadable])
    assert actions.requeue(context) == ([id], [unreadable])
    assert ids(context) == [unreadable]


def test_thrown_away_letters_leave_their_jobs_lost(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()

    assert actions.purge_dead(context) == 1
    assert actions.purge_dead(context, ["no such letter"]) == 0

    assert ids(context) == []
    assert record.read(context.client, context.space, id).state == "lost"


def test_a_lost_job_can_be_retried_like_any_other_and_is_no_letter_then(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()

    actions.retry(context, id)

    assert ids(context) == []
    assert hand.end(hand.start(), Move.SUCCEED, 2) == "ok"
