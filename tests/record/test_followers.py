"""Groups, chains, chords and errbacks: all of them keep working, and every id tells the truth to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

from celeriac.errors import ExpiredJob, UnknownJob
from celeriac.job import Move, State
from celeriac.store import dead, moves
from tests.record.conftest import Lanes, Start
from tests.record.desk import Desk, agrees, eventually
from tests.record.test_after_parent import ids_of

WAIT = 60


@pytest.fixture(params=["prefork", "threads"])
def queue(request: pytest.FixtureRequest, lanes: Lanes) -> str:
    return lanes(str(request.param))


@pytest.fixture
def add(desk: Desk, queue: str) -> Any:
    return lambda *args: desk.task("add").s(*args).set(queue=queue)


@pytest.fixture
def total(desk: Desk, queue: str) -> Any:
    return lambda: desk.task("total").s().set(queue=queue)


def test_canvases_end_with_their_results_and_every_record_is_closed(desk: Desk, add: Any, total: Any) -> None:
    pair = [add(1, 1), add(2, 2)]
    for canvas, expected in (
        (chain(add(1, 1), add(2), add(3)), 7),
        (group(pair), [2, 4]),
        (chord(pair, total()), 6),
        (chain(add(1, 1), group(add(1), add(2)), total(), add(3)), 10),
        (chord([chain(add(1, 1), add(2)), chord(pair, total())], total()), 10),
        (chord(pair, chain(total(), add(1))), 7),
    ):
        result = canvas.apply_async()
        assert result.get(WAIT) == expected, canvas
        for id in ids_of(result):
            desk.reaches(id, "succeeded")
            agrees(desk, id)


def test_what_follows_a_failed_parent_has_failed_with_its_error(desk: Desk, add: Any, queue: str) -> None:
    failing = desk.task("fails").si().set(queue=queue)
    result = chain(add(1, 1), failing, add(1), add(2)).apply_async()
    with pytest.raises(ValueError, match="as agreed"):
        result.get(WAIT)
    for id in (result.id, result.parent.id, result.parent.parent.id):
        found = desk.reaches(id)
        assert found.state is State.FAILED
        assert found.error is not None
        assert found.error["message"] == "as agreed"
        agrees(desk, id)
    desk.reaches(
        result.parent.parent.parent.id, "succeeded"
    )  # Celery publishes what follows before it stores the result


def test_the_body_of_a_chord_fails_with_its_header_and_its_errback_hears(
    desk: Desk, add: Any, total: Any, queue: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    tail = desk.task("errback").s(ledger=str(ledger)).set(queue=queue)
    failing = desk.task("fails").si().set(queue=queue)
    result = chord([add(1, 1), failing], total().on_error(tail)).apply_async()
    with pytest.raises(ValueError, match="as agreed"):  # Celery asks the parents first
        result.get(WAIT)
    found = desk.reaches(result.id)
    assert found.error is not None
    assert (found.state, found.error["type"]) == (State.FAILED, "ChordError")
    agrees(desk, result.id)
    eventually(ledger.exists, "its errback")
    assert ledger.read_text() == f"heard of {result.id}\n"


def test_a_cancelled_member_of_a_chord_ends_the_chord(desk: Desk, add: Any, total: Any, queue: str) -> None:
    waiting = add(2, 2).set(countdown=500)
    result = chord([add(1, 1), waiting], total()).apply_async()
    member = next(id for id in ids_of(result) if desk.state(id) is State.SCHEDULED and id != result.id)
    assert desk.cancel(member) == "cancelled"
    with pytest.raises(TaskRevokedError):
        result.get(WAIT)
    found = desk.reaches(result.id)
    assert (found.state, found.reason) == (State.CANCELLED, "its parent is cancelled")
    agrees(desk, result.id)
    eventually(lambda: desk.client.llen(queue) == 0, "its message is dropped")


@pytest.mark.slow
def test_a_chord_whose_member_ended_just_before_its_worker_died_goes_on(broker_url: str, start_worker: Start) -> None:
    """Its end was written, its part of the chord was not counted: the message is still there, and tells."""
    desk = Desk(broker_url)
    result = chord([desk.task("add").s(1, 1), desk.task("add").s(2, 2)], desk.task("total").s()).apply_async()
    [delivery] = moves.fetch(desk.client, desk.space, 1, [("celery", "celery", True)]).deliveries
    id = delivery.token.rpartition(":")[0]
    body = json.loads(json.loads(delivery.raw)["body"])
    meta = {"status": "SUCCESS", "result": sum(body[0]), "traceback": None, "children": [], "task_id": id}
    end = moves.Finish(id, Move.SUCCEED, 1, json.dumps(meta), acknowledge=False)
    assert moves.finish(desk.client, desk.space, end) == "ok"
    start_worker(broker_url, "threads", "celery")
    assert desk.client.zadd("celeriac:inflight", {delivery.token: 1}, xx=True) == 0
    assert result.get(WAIT) == 6
    assert desk.read(id).attempt == 1


def test_a_task_that_nobody_knows_fails_is_dead_and_its_followers_hear(
    desk: Desk, add: Any, queue: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    tail = desk.task("errback").s(ledger=str(ledger)).set(queue=queue)
    unknown = desk.celery.signature("nobody.knows.this").set(queue=queue).on_error(tail)
    result = chain(unknown, add(1, 1)).apply_async()
    found = desk.reaches(result.parent.id)
    assert (found.state, found.reason) == (State.FAILED, "unknown task")
    assert found.error is not None
    assert found.error["type"] == "NotRegistered"
    letter = eventually(lambda: dead.find(desk.client, desk.space, found.id), "a dead letter")
    assert letter.reason == "unknown task"
    agrees(desk, found.id)
    assert desk.reaches(result.id).state is State.FAILED
    agrees(desk, result.id)
    eventually(ledger.exists, "its errback")


@pytest.mark.parametrize("body", ["{not json", "5", '"text"', "[[], {}]", "[[], {}, 7]", "\xff\xfe"])
def test_a_body_that_cannot_be_read_fails_is_dead_and_the_worker_lives(desk: Desk, queue: str, body: str) -> None:
    sent = desk.send("add", x=1, y=1, queue="elsewhere")
    message = json.loads(desk.client.rpop("elsewhere"))
    message["body"] = body
    id = f"unreadable {body!r} {queue}"
    message["headers"].update(id=id)
    message["properties"]["delivery_tag"] = id
    desk.client.lpush(queue, json.dumps(message))
    found = desk.reaches(id)
    assert found.state in (State.FAILED, State.LOST)
    assert found.error is not None
    assert desk.send("add", x=1, y=1, queue=queue).get(WAIT) == 2
    agrees(desk, id)
    desk.cancel(sent.id)


def test_a_job_past_its_expiry_is_cancelled_as_expired(desk: Desk, queue: str) -> None:
    job = desk.send("add", x=1, y=1, queue=queue, options={"expires": 0.001})
    found = desk.reaches(job.id)
    assert (found.state, found.reason) == (State.CANCELLED, "expired")
    agrees(desk, job.id)


def test_an_unknown_id_is_unknown_and_an_expired_one_is_told_apart(desk: Desk, queue: str) -> None:
    """Row 11: the record answers, not Celery's PENDING."""
    with pytest.raises(UnknownJob):
        desk.read("never-submitted")
    job = desk.send("add", x=1, y=1, queue=queue)
    job.get(WAIT)
    desk.client.pexpire(f"celeriac:job:{job.id}", 1)
    eventually(lambda: desk.state(job.id) is None, "its record is gone")
    with pytest.raises(ExpiredJob):
        desk.read(job.id)
