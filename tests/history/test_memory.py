"""Redis loses its memory, or some of it: what was accepted and not finished runs, what was finished stays finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import signature

from celeriac.history import claims, of
from celeriac.history.reconcile import Reconciler
from celeriac.store import moves
from tests.history.conftest import House


def record(house: House, id: str) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in house.client.hgetall(f"{house.space.keys}job:{id}").items()}


def wipe(house: House) -> None:
    house.client.flushdb()


def test_what_was_waiting_or_running_is_queued_again_under_its_id(house: House) -> None:
    waiting = house.submit("mail.send", "alice", queue="io", headers={"celeriac_owner": "bob"})
    running = house.submit("mail.send", "carol")
    (delivery,) = house.fetch()
    moves.start(house.client, house.space, delivery.token, "worker@test", 0.0, "")
    house.copy()
    wipe(house)
    house.copy()

    assert [json.loads(d.raw)["headers"]["id"] for d in house.fetch("io")] == [waiting]
    assert [json.loads(d.raw)["headers"]["id"] for d in house.fetch()] == [running]
    assert record(house, waiting)["owner"] == "bob"
    assert house.states(running) == ["queued", "running", "queued"]
    assert of(house.app).timeline(running)[-1].note == "restored after Redis lost its memory"
    house.copy()
    assert house.state(waiting) == "queued"


def test_a_restored_job_keeps_its_age_its_attempts_and_goes_on_in_its_events(house: House) -> None:
    id = house.submit()
    (delivery,) = house.fetch()
    moves.start(house.client, house.space, delivery.token, "worker@test", 0.0, "")
    house.copy()
    before = record(house, id)
    wipe(house)
    house.copy()
    after = record(house, id)

    assert after["created_at"] == before["created_at"]
    assert after["attempt"] == "1"
    assert int(after["seq"]) > int(before["seq"])
    house.run(id)
    assert record(house, id)["attempt"] == "2"


@pytest.mark.parametrize("move", ["succeed", "fail", "cancelled"])
def test_what_had_ended_is_not_queued_again(house: House, move: str) -> None:
    id = house.submit()
    house.run(id, move=move)
    house.copy()
    state = house.state(id)
    wipe(house)
    house.copy()

    assert not house.fetch()
    assert house.state(id) == state


def test_what_was_being_cancelled_or_has_expired_ends_as_cancelled(house: House) -> None:
    cancelled = house.submit()
    (delivery,) = house.fetch()
    moves.start(house.client, house.space, delivery.token, "worker@test", 0.0, "")
    moves.cancel(house.client, house.space, cancelled, "changed my mind", "{}")
    expired = house.submit(expires=datetime.now(UTC) - timedelta(seconds=1))
    house.copy()
    wipe(house)
    house.copy()

    assert not house.fetch()
    assert [house.state(id) for id in (cancelled, expired)] == ["cancelled", "cancelled"]
    assert house.states(expired) == ["queued", "cancelled"]


def test_a_job_whose_arguments_nobody_kept_is_lost_and_says_so(house: House) -> None:
    id = house.submit("mail.send", "x" * 10_000)  # before there was a history to keep them
    house.client.delete(f"{house.space.keys}bodies")
    house.copy()
    house.rows("SELECT 1")
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE celeriac_jobs SET args = NULL")
    wipe(house)
    house.copy()

    assert house.state(id) == "lost"
    assert "arguments were not kept" in house.rows("SELECT reason FROM celeriac_jobs")[0][0]


def test_everything_a_submission_asked_for_is_asked_for_again(house: House) -> None:
    follower = signature("mail.log", args=(1,), app=house.celery).set(task_id="follower")
    expires = datetime.now(UTC) + timedelta(hours=1)
    house.submit("mail.send", "alice", task_id="whole", priority=6, expires=expires, time_limit=9, soft_time_limit=5,
                 ignore_result=True, headers={"x-mine": "kept"}, link=signature("mail.linked", app=house.celery),
                 chain=[follower], shadow="letter")  # fmt: skip
    before = _message(house, "celery\x06\x166")
    house.copy()
    wipe(house)
    house.copy()
    after = _message(house, "celery\x06\x166")

    assert after["body"] == before["body"]
    kept = ("task", "id", "expires", "timelimit", "ignore_result", "x-mine", "shadow", "root_id", "group", "retries")
    assert {k: after["headers"].get(k) for k in kept} == {k: before["headers"].get(k) for k in kept}
    assert after["properties"]["priority"] == 6
    assert record(house, "follower")["state"] == "scheduled"


def test_a_job_for_later_still_waits_for_its_time(house: House) -> None:
    id = house.submit(countdown=3600)
    house.copy()
    due = int(record(house, id)["due"])
    wipe(house)
    house.copy()

    assert not house.fetch()
    assert record(house, id)["state"] == "scheduled"
    assert abs(int(record(house, id)["due"]) - due) < 2000


def test_a_job_submitted_again_meanwhile_is_not_queued_twice(house: House) -> None:
    id = house.submit(task_id="keyed")
    house.copy()
    wipe(house)
    house.submit(task_id="keyed")  # a client that repeats its request
    house.copy()

    assert [json.loads(d.raw)["headers"]["id"] for d in house.fetch()] == [id]


def test_reconciling_again_changes_nothing(house: House) -> None:
    house.submit()
    house.copy()
    wipe(house)
    house.copy()
    again = Reconciler(house.database, house.client, house.space, house.celery).run()

    assert again is not None
    assert (again.restored, again.lost) == (0, 0)
    assert len(house.fetch()) == 1


def test_a_reconciliation_that_died_is_done_by_the_next_copier(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house()
    ids = [house.submit() for _ in range(5)]
    house.copy()
    wipe(house)
    with monkeypatch.context() as patch:
        patch.setattr(Reconciler, "run", _die)
        with pytest.raises(KeyboardInterrupt):
            house.copy()
    house.client.delete(f"{house.space.keys}hold:history")
    make_house().copy()

    assert sorted(json.loads(d.raw)["headers"]["id"] for d in house.fetch()) == sorted(ids)


def test_redis_put_back_to_an_earlier_moment_gets_what_it_forgot(house: House) -> None:
    early = house.submit()
    house.copy()
    snapshot = {key: house.client.dump(key) for key in house.client.scan_iter()}
    late = house.submit()
    house.copy()
    wipe(house)
    for key, value in snapshot.items():  # as after a crash with `appendfsync everysec`
        house.client.restore(key, 0, value)
    house.copy()

    assert {json.loads(d.raw)["headers"]["id"] for d in house.fetch()} == {early, late}
    house.copy()
    assert house.states(late) == ["queued", "queued"]


def test_a_strange_redis_does_not_get_the_jobs_of_one_that_lives(make_house: Callable[..., House], valkey: Any) -> None:
    house = make_house()
    id = house.submit()
    house.copy()
    laptop = make_house(BROKER_URL=valkey.url.removesuffix("/0") + "/4095")
    try:
        assert not laptop.copier.step_safely()
        assert "another Redis" in laptop.copier._error
        assert not laptop.fetch()
        house.copy()
        assert house.state(id) == "queued"
    finally:
        laptop.client.flushdb()


def test_one_redis_has_its_history_in_one_database(
    house: House, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.copy()
    house.copier._noted = 0.0
    house.copy()
    house.copier._let_go()
    stray = house.another_copier(database_url=f"sqlite:///{tmp_path / 'stray.db'}")

    assert not stray.step_safely()
    assert "another database" in stray._error
    monkeypatch.setattr(claims, "FOREIGN", 0.0)  # the other one is gone for good
    assert stray.step_safely() or not stray._error


def _message(house: House, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(house.client.lindex(house.space.prefix + key, 0))
    return found


def _die(*_: Any) -> None:
    raise KeyboardInterrupt
