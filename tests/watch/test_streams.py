"""Streams of one job: what is told, from where, and how it ends."""

from __future__ import annotations

import pytest
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.job import Move
from celeriac.store import moves
from celeriac.watch import stream
from tests.article.running import eventually
from tests.hand import Hand
from tests.watch.audience import Audience, say


def begun(context: Context, hand: Hand, *lines: str) -> tuple[str, str]:
    """Return a running job that said these lines, and its token."""
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()
    if lines:
        say(hand, token, *lines)
    return id, token


def test_all_of_a_job_is_told_in_order_and_then_the_stream_is_over(
    context: Context, hand: Hand, audience: Audience
) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    seat = audience.job(id)
    seat.hears(1)
    token = hand.start()
    say(hand, token, "one", "two\nand a half", percent=50)
    seat.hears(5)
    say(hand, token, "three")
    hand.end(token, result=2)

    heard = seat.ends()
    assert seat.said == ["queued", "running", "one", "two\nand a half", "50.0", "three", "succeeded"]
    assert seat.kinds == ["state", "state", "log", "log", "progress", "log", "end"]
    assert [event.id for event in heard] == [str(n) for n in range(1, 8)]
    assert {event.data["job"] for event in heard} == {id}


def test_whoever_comes_late_is_told_everything_and_whoever_comes_back_the_rest(
    context: Context, hand: Hand, audience: Audience
) -> None:
    id, token = begun(context, hand, "one", "two")
    hand.end(token)

    assert audience.job(id).ends()[-1].kind == "end"
    late = audience.job(id, "3")
    assert late.status == 200
    assert [event.id for event in late.ends()] == ["4", "5"]
    by_query = audience.watch(f"/api/jobs/{id}/events?last_event_id=4")
    assert [event.id for event in by_query.ends()] == ["5"]


def test_whoever_comes_back_after_the_end_is_told_not_to(context: Context, hand: Hand, audience: Audience) -> None:
    id, token = begun(context, hand)
    hand.end(token)

    assert audience.job(id, "3").status == 204


def test_a_retry_goes_on_under_the_same_numbers(context: Context, hand: Hand, audience: Audience) -> None:
    id, token = begun(context, hand, "of the first run")
    hand.end(token, Move.FAIL, error="no")
    actions.retry(context, id)
    token = hand.start()
    say(hand, token, "of the second run")
    hand.end(token)

    anew, back = audience.job(id), audience.job(id, "4")
    for seat in (anew, back):
        assert [event.kind for event in seat.ends()] == ["state", "state", "log", "end"]
        assert seat.said == ["queued", "running", "of the second run", "succeeded"]
    assert [event.id for event in back.heard] == ["5", "6", "7", "8"]
    assert [event.data["state"] for event in audience.job(id, "3").ends()] == ["failed"]


def test_more_than_is_kept_is_a_reset_with_what_there_is(context: Context, hand: Hand, audience: Audience) -> None:
    id, token = begun(context, hand)
    say(hand, token, *[f"line {i}" for i in range(50)], cap=20, percent=10)

    new, old, recent = audience.job(id), audience.job(id, "2"), audience.job(id, "40")
    for seat in (new, old):
        [reset] = seat.hears(1)
        assert (reset.kind, reset.id) == ("reset", "53")
        assert [line["text"] for line in reset.data["log"]] == [f"line {i}" for i in range(30, 50)]
        assert (reset.data["state"], reset.data["progress"]["percent"]) == ("running", 10.0)
        assert reset.data["dropped"] == 30
    assert recent.hears(13)[0].data["text"] == "line 38"
    hand.end(token)
    for seat in (new, old, recent):
        assert seat.ends()[-1].kind == "end"


@pytest.mark.parametrize("id_of_others", ["99", "seventeen", "1.2", "-1"])
def test_an_id_that_is_none_of_ours_is_a_reset(
    context: Context, hand: Hand, audience: Audience, id_of_others: str
) -> None:
    id, token = begun(context, hand, "one")
    hand.end(token)

    heard = audience.job(id, id_of_others).ends()
    assert [(event.kind, event.id) for event in heard] == [("reset", "3"), ("end", "4")]


def test_a_retried_job_whose_worker_was_lost_tells_every_state(
    context: Context, hand: Hand, audience: Audience
) -> None:
    id, token = begun(context, hand)
    seat = audience.job(id)
    hand.lose(token)
    token = hand.start()
    actions.cancel(context, id)
    hand.end(token, Move.CANCELLED)

    assert [event.data["state"] for event in seat.ends()] == [
        "queued", "running", "queued", "running", "cancelling", "cancelled",
    ]  # fmt: skip
    assert seat.heard[2].data["reason"] == "worker lost"


def test_what_is_no_json_is_left_out(context: Context, hand: Hand, audience: Audience) -> None:
    id, token = begun(context, hand)
    progress = '{"state": "PROGRESS", "current": NaN, "total": Infinity, "status": "\\ud800"}'
    moves.report(hand.client, hand.space, 10, [moves.Report(token, progress)])

    heard = audience.job(id).hears(3)[2]
    assert heard.data == {"job": id, "current": None, "total": None, "percent": None, "message": "?"}


def test_a_silent_stream_shows_that_it_lives(
    context: Context, hand: Hand, audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    id, _ = begun(context, hand)

    seat = audience.job(id)
    eventually(lambda: seat.parser.comments >= 3, "three heartbeats")


def test_a_job_of_which_redis_knows_nothing_any_more_ends(app: Flask, context: Context, audience: Audience) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    seat = audience.job(id)
    seat.hears(1)
    context.client.flushdb()
    context.client.publish(f"celeriac:wake:{id}", "")

    assert seat.ends()[-1].data == {"job": id, "state": None, "at": None, "reason": "unknown"}


def test_the_headers_are_those_that_proxies_and_browsers_want(context: Context, audience: Audience) -> None:
    seat = audience.job(actions.submit(context, "steered_double", {"n": 1}))

    headers = seat.response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-cache, no-transform", "no")


def test_nobody_is_kept_when_all_have_left(app: Flask, context: Context, hand: Hand, audience: Audience) -> None:
    id, token = begun(context, hand)
    seats = [audience.job(id) for _ in range(5)]
    for seat in seats:
        seat.hears(2)
    hand.end(token)
    for seat in seats:
        seat.ends()
        seat.leave()

    wake = f"{context.space.keys}wake:{id}"
    eventually(lambda: dict(context.client.pubsub_numsub(wake))[wake.encode()] == 0, "an end of the subscription")
    assert app.extensions["celeriac"].api.watch.streams == []
