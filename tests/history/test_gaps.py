"""SQL goes away, the journal overflows: the queue goes on, and the history is whole again afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from celeriac.history import of
from celeriac.history.status import status
from celeriac.store import moves
from tests.history.conftest import House
from tests.history.postgres import Postgres


def overflow(house: House, kept: int) -> None:
    """Throw away all but the newest entries, as a full journal does."""
    house.client.xtrim(f"{house.space.keys}journal", maxlen=kept, approximate=False)


def test_what_fell_out_of_the_journal_is_read_from_the_records(house: House) -> None:
    first = house.submit()
    house.copy()
    house.run(first, '{"pages": 3}')
    missed = [house.submit("report.make", i) for i in range(30)]
    last = house.submit("mail.send")
    overflow(house, 1)
    house.copy()

    assert house.state(first) == "succeeded"
    assert house.rows("SELECT result FROM celeriac_jobs WHERE id = :id", id=first) == [('{"pages":3}',)]
    assert {house.state(id) for id in missed} == {"queued"}
    assert house.states(last) == ["queued"]
    assert house.rows("SELECT count(*) FROM celeriac_gaps WHERE rebuilt_at IS NOT NULL") == [(1,)]
    assert house.rows(
        "SELECT sum(jobs) FROM celeriac_buckets WHERE width = 60 AND scope = '' AND state = 'submitted'"
    ) == [(32,)]
    assert house.rows(
        "SELECT sum(jobs) FROM celeriac_buckets WHERE width = 60 AND scope = '' AND state = 'succeeded'"
    ) == [(1,)]


def test_a_timeline_says_where_it_has_a_gap_and_only_there(house: House) -> None:
    before, early, waiting = (house.submit(queue=queue) for queue in ("celery", "io", "later"))
    house.run(before)
    house.copy()
    house.run(early, queue="io")
    missed = house.submit()
    overflow(house, 0)
    house.copy()
    after = house.submit()
    house.copy()
    timeline = of(house.app).timeline

    assert [step.state for step in timeline(before)] == ["queued", "running", "succeeded"]
    assert [step.state for step in timeline(early)] == ["queued", "gap"]
    assert timeline(early)[-1].note.startswith("what happened until 20")
    assert [step.state for step in timeline(waiting)] == ["queued"]
    assert [step.state for step in timeline(missed)] == ["gap"]
    assert [step.state for step in timeline(after)] == ["queued"]


def test_a_job_that_went_on_after_a_gap_shows_it_in_between(house: House) -> None:
    id = house.submit()
    house.copy()
    (delivery,) = house.fetch()
    moves.start(house.client, house.space, delivery.token, "worker@test", 0.0, "")
    overflow(house, 0)
    house.finish(delivery.token)
    house.copy()

    assert [step.state for step in of(house.app).timeline(id)] == ["queued", "gap", "succeeded"]


def test_a_gap_before_the_first_copy_is_seen(house: House) -> None:
    early = [house.submit() for _ in range(10)]
    overflow(house, 2)
    house.copy()

    assert {house.state(id) for id in early} == {"queued"}


def test_a_job_that_ended_and_was_forgotten_in_a_gap_is_not_queued_again(house: House) -> None:
    id = house.submit()
    house.copy()
    house.run(id)
    house.client.delete(f"{house.space.keys}job:{id}")  # its retention is over, its tombstone stands
    house.submit()
    overflow(house, 1)
    house.copy()

    assert house.state(id) == "succeeded"
    assert len(house.fetch()) == 1


def test_a_deleted_journal_does_not_stop_the_history(house: House) -> None:
    house.submit()
    house.copy()
    house.client.delete(f"{house.space.keys}journal")
    house.copy()
    id = house.submit()
    house.copy()

    assert house.states(id) == ["queued"]
    assert not house.copier.step_safely()


def test_while_sql_is_away_the_journal_waits_and_the_status_says_so(postgres_house: House, postgres: Postgres) -> None:
    house = postgres_house
    before = house.submit()
    house.copy()
    postgres.stop("immediate")
    try:
        during = house.submit()
        assert not house.copier.step_safely()
        told = status(house.client, house.space)
        assert not told.well
        assert "cannot be used" in told.error
        assert told.lag >= 0
    finally:
        postgres.start()
    house.run(before)
    house.copy()
    house.copier._noted = 0.0
    house.copy()

    assert house.states(before) == ["queued", "running", "succeeded"]
    assert house.states(during) == ["queued"]
    assert status(house.client, house.space).well


def test_a_full_disk_is_an_outage_like_any_other(sqlite_house: House) -> None:
    house = sqlite_house
    house.copy()
    with house.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    from sqlalchemy import event

    engine = house.database._made()

    def limit(connection: object) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    event.listen(engine, "begin", limit)
    ids = [house.submit("mail.send", "x" * 3000) for _ in range(300)]
    while house.copier.step_safely():
        pass
    assert "full" in house.copier._error
    house.database.dispose()
    house.copy()

    assert {house.state(id) for id in ids} == {"queued"}


def test_a_database_of_another_release_is_not_touched(house: House) -> None:
    house.copy()
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE celeriac_version SET version_num = '9999'")
    house.copier._let_go()

    assert not house.copier.step_safely()
    assert "version 9999" in house.copier._error


def test_nobody_copying_is_not_well(house: House) -> None:
    told = status(house.client, house.space)

    assert not told.well
    assert told.error == "No process copies the history."


@pytest.fixture
def sqlite_house(broker_url: str, tmp_path: Path, make_house_at: object) -> House:
    return make_house_at(f"sqlite:///{tmp_path / 'history.db'}")  # type: ignore[operator, no-any-return]


@pytest.fixture
def postgres_house(postgres: Postgres, make_house_at: object) -> House:
    return make_house_at(postgres.database())  # type: ignore[operator, no-any-return]
