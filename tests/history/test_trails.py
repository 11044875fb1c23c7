"""A job's transitions stand in its row, and nothing of it is read that the journal has told."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from celeriac.history import copying, grouping, migrate, waiting
from celeriac.history.waiting import Waiting
from celeriac.store import journal, moves
from tests.history.conftest import House


def test_a_job_with_very_many_transitions_keeps_each_of_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "TRAIL", 100)
    id = house.submit()
    for _ in range(3):
        house.copy()
        house.run(id, move="fail", error='{"type": "OSError", "message": "disk full"}')
        house.copy()
        house.submit(task_id=id)
    house.copy()

    assert house.states(id) == [*(["queued", "running", "failed"] * 3), "queued"]
    assert len(house.rows("SELECT trail FROM celeriac_jobs")[0][0]) <= 100


def test_transitions_that_were_stored_before_the_rows_had_trails_are_kept(house: House) -> None:
    with house.database.write() as connection:
        migrate.climb(connection, "0001")
        names = "n, id, state, task, queue, owner, worker, reason, attempt, retries, losses, seq"
        connection.execute(
            text(
                f"INSERT INTO celeriac_jobs ({names}, parent_id, root_id, group_id)"
                " VALUES (5, 'old', 'running', 'mail.send', 'celery', 'ann', 'w', '', 1, 0, 0, 2, '', '', '')"
            )
        )
        for entry, state in ((7, "queued"), (8, "running")):
            row = {"entry": entry, "state": state, "seq": entry - 6}
            connection.execute(
                text("INSERT INTO celeriac_transitions VALUES (5, 1, :entry, :state, 9, NULL, :seq, '')"), row
            )
    migrate.upgrade(house.database)

    assert house.states("old") == ["queued", "running"]


def test_a_plain_success_is_told_by_the_journal_alone(house: House) -> None:
    id = house.submit("mail.send", "alice")
    house.copy()
    house.run(id, '{"sent": ["é", 1]}')
    house.client.delete(f"{house.space.keys}job:{id}")  # nobody needs it any more
    house.copy()

    asked = "SELECT state, worker, attempt, result, args, reason FROM celeriac_jobs"
    assert house.rows(asked) == [
        ("succeeded", "worker@test", 1, '{"sent":["\\u00e9",1]}', '[["alice"], {}]', ""),
    ]
    ((started, finished),) = house.rows("SELECT started_at, finished_at FROM celeriac_jobs")
    assert 0 < started <= finished


def test_a_result_too_large_for_the_journal_is_read_from_the_record(house: House) -> None:
    id = house.submit()
    house.copy()
    house.run(id, '"%s"' % ("x" * 2000))
    assert not journal.look(house.client, house.space, 0, 10).entries[-1].told
    house.copy()

    assert house.rows("SELECT length(result) FROM celeriac_jobs") == [(2002,)]


def test_a_success_after_a_failed_attempt_tells_of_both(house: House) -> None:
    id = house.submit()
    house.copy()
    house.run(id, move="fail", error='{"type": "OSError", "message": "disk full"}')
    house.submit(task_id=id)
    house.copy()
    house.run(id)
    house.copy()

    ((state, attempt, attempts, error),) = house.rows("SELECT state, attempt, attempts, error FROM celeriac_jobs")
    assert (state, attempt, error) == ("succeeded", 2, None)
    assert [line.rpartition("|")[2] for line in attempts.splitlines()] == ["failed", "succeeded"]


def test_what_an_entry_tells_of_the_past_does_not_overwrite_what_the_row_knows(house: House) -> None:
    house.copy()
    id = house.submit("mail.send", "alice")
    house.run(id)
    (queued, running, succeeded) = journal.look(house.client, house.space, 0, 10).entries
    house.submit("mail.send", "bob", task_id=id)
    house.copy()
    with house.database.write() as connection:
        late = grouping.jobs_of([running, succeeded])
        copying.store(connection, 1, late, house.copier._read, Waiting())

    assert house.state(id) == "queued"
    assert house.rows("SELECT args FROM celeriac_jobs") == [('[["bob"], {}]',)]
    assert queued.submission() is not None
    assert running.told
    assert succeeded.told


def test_jobs_of_an_owner_are_found_by_an_index_without_those_of_nobody(house: House) -> None:
    from celeriac.history import pages
    from celeriac.history.filters import Filter

    house.copy()
    mine = house.submit(headers={"celeriac_owner": "ann"})
    house.submit()
    house.copy()

    assert [job.id for job in pages.list_jobs(house.database, Filter(owner="ann")).items] == [mine]
    assert mine not in [job.id for job in pages.list_jobs(house.database, Filter(owner="")).items]


@pytest.mark.parametrize("options", [{}, {"countdown": 60, "headers": {"celeriac_owner": "ann"}, "parent_id": "p"}])
def test_a_submission_tells_the_journal_what_its_record_says(house: House, options: dict[str, object]) -> None:
    house.copy()
    id = house.submit("mail.send", "alice\x1f\n\u0000", **options)
    (entry,) = journal.look(house.client, house.space, 0, 10).entries
    read = journal.details(house.client, house.space, [id], 0, journal.STEADY)[id]
    told = entry.submission()
    assert told is not None
    assert [value or "" for value in told.values] == [value or "" for value in read.values]


def test_a_large_submission_is_read_from_its_record(house: House) -> None:
    house.copy()
    house.submit("mail.send", "x" * 600)
    (entry,) = journal.look(house.client, house.space, 0, 10).entries
    assert entry.submission() is None
    house.copy()
    assert len(house.rows("SELECT args FROM celeriac_jobs")[0][0]) > 600


def test_a_row_changes_in_the_end_whether_it_is_remembered_or_looked_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    house.copy()
    ids = [house.submit("mail.send", f"user{i}") for i in range(4)]
    house.copy()
    for delivery in house.fetch():
        moves.start(house.client, house.space, delivery.token, "worker@test", 0.0, "")
        house.finish(delivery.token)
    house.copy()

    assert [house.states(id) for id in ids] == [["queued", "running", "succeeded"]] * 4


def test_a_job_that_was_deleted_while_its_row_is_remembered_begins_anew(house: House) -> None:
    house.copy()
    id = house.submit("mail.send", "alice")
    house.copy()
    ((n,),) = house.rows("SELECT n FROM celeriac_jobs")
    with house.database.write() as connection:
        copying.forget(connection, [n])
    house.client.delete(f"{house.space.keys}job:{id}")
    house.submit("mail.send", "bob", task_id=id)
    house.copy()

    assert house.rows("SELECT args FROM celeriac_jobs") == [('[["bob"], {}]',)]
