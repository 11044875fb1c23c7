"""How many jobs came, ended, ran and waited: counted once each, and forgotten after their retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from celeriac import history
from celeriac.errors import BadRequest
from celeriac.history.rows import bin_of, time_of
from celeriac.store import moves
from tests.history.conftest import House

LARGE = '"%s"' % ("x" * 2000)  # with such a result the journal does not tell of the end: the record's times count


def test_jobs_are_counted_by_task_and_state(house: House) -> None:
    for task, move in (("a.x", "succeed"), ("a.x", "succeed"), ("a.x", "fail"), ("b.y", "succeed")):
        house.run(house.submit(task), move=move)
    house.submit("b.y")
    house.copy()
    found = {(c.task, c.state): c.jobs for c in history.of(house.app).counts()}

    assert found == {("a.x", "succeeded"): 2, ("a.x", "failed"): 1, ("b.y", "succeeded"): 1, ("b.y", "queued"): 1}


@pytest.mark.parametrize("step", [60, 3600])
def test_what_came_and_ended_is_counted_in_its_time(house: House, step: int) -> None:
    asked = history.of(house.app)
    for _ in range(3):
        house.run(house.submit("a.x"))
    house.copy()
    house.run(house.submit("b.y", queue="io"), move="fail", queue="io")
    house.submit("b.y")
    house.copy()
    now = datetime.now(UTC)

    def total(name: str, **where: str) -> int:
        points = asked.series(now - timedelta(hours=2), now + timedelta(minutes=2), step, **where)
        return sum(getattr(point, name) for point in points)

    assert (total("submitted"), total("succeeded"), total("failed"), total("lost")) == (5, 3, 1, 0)
    assert (total("submitted", task="b.y"), total("failed", task="b.y"), total("succeeded", task="b.y")) == (2, 1, 0)
    assert (total("submitted", queue="io"), total("failed", queue="io")) == (1, 1)


def test_run_time_and_wait_are_told_in_seconds(house: House) -> None:
    ids = [house.submit() for _ in range(20)]
    now = int(datetime.now().timestamp() * 1000)
    for delivery in house.fetch():
        id = delivery.token.rpartition(":")[0]
        moves.start(house.client, house.space, delivery.token, "w", 0.0, "")
        run = 2000 if id == ids[0] else 100
        key = f"{house.space.keys}job:{id}"
        house.client.hset(key, mapping={"created_at": now - 60_000, "started_at": now - 50_000})
        house.finish(delivery.token, LARGE)
        house.client.hset(key, "finished_at", now - 50_000 + run)
    house.copy()
    points = history.of(house.app).series(
        datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=2), 60
    )
    (point,) = [point for point in points if point.run]

    assert point.run
    assert point.wait
    assert point.run.p50 == pytest.approx(0.1, rel=0.1)
    assert point.run.mean == pytest.approx(0.195, rel=0.01)
    assert point.wait.p95 == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("milliseconds", [1, 2, 3, 10, 99, 1000, 3_600_000])
def test_a_bin_tells_its_times_within_a_tenth(milliseconds: int) -> None:
    assert time_of(bin_of(milliseconds)) == pytest.approx(milliseconds, rel=0.1)


@pytest.mark.parametrize(("hours", "step"), [(1, 0), (1, -60), (1, 90), (-1, 60), (90 * 24, 3600), (72, 60)])
def test_times_that_make_no_sense_are_refused(house: House, hours: int, step: int) -> None:
    now = datetime.now(UTC)

    with pytest.raises(BadRequest):
        history.of(house.app).series(now - timedelta(hours=hours), now, step)


def test_what_ended_long_ago_is_forgotten_and_what_lives_stays(house: House) -> None:
    asked = history.of(house.app)
    long_ago = int((datetime.now().timestamp() - 90 * 86400) * 1000)
    old, alive = house.submit("mail.send", "findme"), house.submit()
    for id in (old, alive):
        house.client.hset(f"{house.space.keys}job:{id}", "created_at", long_ago)
    (token,) = [d.token for d in house.fetch() if d.token.startswith(old)]
    house.finish(token, LARGE)
    house.client.hset(f"{house.space.keys}job:{old}", "finished_at", long_ago + 1000)
    recent = house.submit()
    house.run(recent)
    house.copy()
    house.copier._pruned = 0.0
    house.copy()

    assert asked.find(old) is None
    assert house.rows("SELECT count(*) FROM celeriac_words") == [(0,)]
    assert asked.find(alive)
    assert asked.find(recent)
    assert asked.prune() == 0
    assert asked.prune(0.0) == 1
    assert asked.find(alive)
