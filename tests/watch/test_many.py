"""Streams of several jobs, of everybody's, and who may see what."""

from __future__ import annotations

import itertools

import pytest
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.watch import everyone
from tests.article.running import eventually
from tests.hand import Hand
from tests.watch.audience import Audience, make_app, say


@pytest.fixture
def closed(broker_url: str) -> Flask:
    """An app as in production, over the same database."""
    return make_app(broker_url)


@pytest.fixture
def door(closed: Flask) -> Audience:
    """Those who come with tokens."""
    return Audience(closed)


def submit(context: Context, owner: str = "") -> str:
    headers = {"celeriac_owner": owner} if owner else {}
    return actions.submit(context, "steered_double", {"n": 1}, headers=headers)


def test_several_jobs_in_one_stream_which_ends_with_the_last_of_them(
    context: Context, hand: Hand, audience: Audience
) -> None:
    a, b = submit(context), submit(context)
    seat = audience.watch(f"/api/events?jobs={a},{b}")
    seat.hears(2)
    first = hand.start()
    hand.end(first)
    seat.hears(4)
    second = hand.start()
    say(hand, second, "hello")
    hand.end(second)

    heard = seat.ends()
    assert {first.partition(":")[0], second.partition(":")[0]} == {a, b}
    assert [event.data["state"] for event in heard if event.data["job"] == a] == ["queued", "running", "succeeded"]
    assert [event.kind for event in heard].count("end") == 2
    assert heard[-1].id == "3.4"
    assert audience.watch(f"/api/events?jobs={a},{b}", "3.4").status == 204
    assert [event.id for event in audience.watch(f"/api/events?jobs={a},{b}", "2.3").ends()] == ["3.3", "3.4"]
    assert [event.kind for event in audience.watch(f"/api/events?jobs={b},{a}", "9").ends()] == ["reset", "end"] * 2


def test_a_job_that_is_retried_goes_on_in_the_stream_of_several(
    context: Context, hand: Hand, audience: Audience
) -> None:
    a, b = submit(context), submit(context)
    seat = audience.watch(f"/api/events?jobs={a},{b}")
    hand.end(hand.start())
    seat.hears(4)
    actions.retry(context, a)
    hand.end(hand.start())
    hand.end(hand.start())

    assert [event.data["state"] for event in seat.ends() if event.data["job"] == a] == [
        "queued", "running", "succeeded", "queued", "running", "succeeded",
    ]  # fmt: skip


def test_jobs_that_do_not_exist_for_the_caller_are_ended_once(context: Context, door: Audience) -> None:
    mine, others = submit(context, "ann"), submit(context, "bob")
    path, ann = f"/api/events?jobs={others},{mine},nonsense", door.token("ann", "read")

    seat = door.watch(path, token=ann)
    heard = {event.data["job"]: event.data["state"] for event in seat.hears(3)}
    assert heard == {others: None, mine: "queued", "nonsense": None}
    back = door.watch(path, seat.heard[-1].id, token=ann)
    actions.cancel(context, mine)
    assert [event.data["state"] for event in back.ends()] == ["cancelled"]
    assert door.watch(f"/api/events?jobs={others}", token=ann).status == 404
    door.leave()


def test_a_stream_of_one_is_as_closed_as_its_job(context: Context, door: Audience) -> None:
    id = submit(context, "ann")

    assert door.watch(f"/api/jobs/{id}/events").status == 401
    assert door.watch(f"/api/jobs/{id}/events", token=door.token("bob", "read")).status == 404
    assert door.watch(f"/api/jobs/{id}/events", token=door.token("ann", "submit")).status == 403
    assert door.watch(f"/api/jobs/{id}/events", token=door.token("ann", "read")).status == 200
    assert door.watch("/api/events").status == 401
    door.leave()


def test_a_signed_link_opens_the_stream_and_the_log_of_its_job_alone(
    closed: Flask, context: Context, hand: Hand, door: Audience
) -> None:
    id, other = submit(context, "ann"), submit(context, "ann")
    token = hand.start()
    say(hand, token, "hello")
    with closed.test_request_context():
        link = closed.extensions["celeriac"].link(id)
    key = link.partition("?")[2]

    seat = door.watch(f"/api/jobs/{id}/events?{key}")
    assert [event.kind for event in seat.hears(3)] == ["state", "state", "log"]
    get = closed.test_client().get
    assert get(f"/api/jobs/{id}/logs?{key}").json["items"][0]["text"] == "hello"  # type: ignore[index]
    assert get(f"/api/jobs/{id}/logs?{key}", headers={"Accept": "text/plain"}).text.endswith("info hello\n")
    assert door.watch(f"/api/jobs/{other}/events?{key}").status == 401
    assert door.watch(f"/api/events?jobs={id}&{key}").status == 401
    door.leave()


def test_everybody_hears_of_all_jobs_that_they_may_see(context: Context, hand: Hand, door: Audience) -> None:
    ann, olga = door.token("ann", "read"), door.token("olga", "operate")
    to_ann, to_olga = door.watch("/api/events", token=ann), door.watch("/api/events", token=olga)
    mine, others = submit(context, "ann"), submit(context, "bob")
    token = hand.start()
    say(hand, token, "not told here")
    hand.end(token)
    hand.end(hand.start())
    actions.delete(context, others)

    assert [e.data["job"] for e in to_olga.hears(7)] == [mine, others, mine, mine, others, others, others]
    assert to_olga.kinds == ["state", "state", "state", "end", "state", "end", "deleted"]
    assert [e.data["state"] for e in to_ann.hears(3)] == ["queued", "running", "succeeded"]
    assert {e.data["job"] for e in to_ann.heard} == {mine}
    assert {e.data["task"] for e in to_ann.heard} == {"steered_double"}
    back = door.watch("/api/events", to_ann.heard[1].id, token=ann)
    assert [e.data["state"] for e in back.hears(1)] == ["succeeded"]
    door.leave()


def test_all_jobs_and_the_whole_of_one_in_one_stream(context: Context, hand: Hand, audience: Audience) -> None:
    one = submit(context)
    seat = audience.watch(f"/api/events?jobs={one}&all=true")
    seat.hears(1)
    two = submit(context)
    token = hand.start()
    say(hand, token, "hello")
    hand.end(token)
    seat.hears(5)
    back = audience.watch(f"/api/events?jobs={one}&all=true", seat.heard[0].id)

    for found in (seat.heard, back.hears(4)):
        assert [e.data["job"] for e in found].count(two) == 1
        assert [e.kind for e in found if e.data["job"] == one][-3:] == ["state", "log", "end"]


@pytest.mark.parametrize("last_id", ["1-1", "12", "99999999999999999"])
def test_a_place_in_the_journal_that_is_not_kept_is_a_reset(context: Context, audience: Audience, last_id: str) -> None:
    submit(context)
    seat = audience.watch("/api/events", last_id)
    assert seat.hears(1)[0].data == {"job": None, "state": None}
    id = submit(context)
    assert seat.hears(2)[1].data["job"] == id


def test_the_place_moves_on_with_what_others_do(
    context: Context, door: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celeriac.watch.stream.HEARTBEAT", 0.05)
    seat = door.watch("/api/events", token=door.token("ann", "read"))
    submit(context, "ann")
    [mine] = seat.hears(1)
    submit(context, "bob")

    eventually(lambda: seat.parser.last_id != mine.id, "an id without an event")
    assert seat.hears(1) == [mine]
    door.leave()


def test_too_many_jobs_are_refused(audience: Audience) -> None:
    assert audience.watch("/api/events?jobs=" + ",".join(map(str, range(101)))).status == 400


def test_who_is_far_behind_in_the_journal_is_reset(
    context: Context, audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everyone, "PAGE", 2)
    monkeypatch.setattr(everyone, "PAGES", 2)
    submit(context)
    last = str(context.client.xrevrange("celeriac:journal", count=1)[0][0].decode())
    milliseconds, _, counter = last.partition("-")
    number = (int(milliseconds) << 20) + int(counter)
    for _ in range(9):
        submit(context)

    assert audience.watch("/api/events", str(number)).hears(1)[0].kind == "reset"


def test_who_watches_all_jobs_goes_on_behind_an_entry_that_makes_no_sense(context: Context, audience: Audience) -> None:
    submit(context)
    seat = audience.watch("/api/events", "0")
    seat.hears(1)
    context.client.xadd("celeriac:journal", {"x": "1"})
    id = submit(context)

    assert seat.hears(2)[-1].data["job"] == id
    assert "reset" not in seat.kinds[1:]


def test_a_client_that_does_not_keep_up_is_dropped_with_an_id_to_come_back_with(
    app: Flask, context: Context, hand: Hand, audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celeriac.watch.stream.MOST", 10)
    id = submit(context)
    response = app.test_client().get(f"/api/jobs/{id}/events")
    parts = iter(response.response)
    assert [next(parts), next(parts)][1].startswith(b"id: 1\n")  # type: ignore[union-attr]
    watch = app.extensions["celeriac"].api.watch
    [stream] = watch.streams
    token = hand.start()
    count = itertools.count()

    def says_more() -> bool:
        say(hand, token, f"line {next(count)}")
        return bool(stream.is_over)

    eventually(says_more, "an end of the stream")
    assert list(parts) == []
    response.close()
    seat = audience.job(id, "1")
    n = next(count)
    assert [event.data.get("text") for event in seat.hears(n + 1)[1:]] == [f"line {i}" for i in range(n)]
