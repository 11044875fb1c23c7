"""`flask jobs list`, `stats`, `cancel`, `retry`, `db` and `reconcile` say and do what the history does."""

from __future__ import annotations

from celeriac.history.migrate import newest
from tests.cli.conftest import Run, runner
from tests.history.conftest import House


def commands(house: House) -> Run:
    return runner(house.app)


def test_jobs_are_listed_and_searched_page_by_page(house: House) -> None:
    run = commands(house)
    assert run("db", "upgrade").out.startswith("The tables are new")
    assert run("list").out == "No job fits.\n"
    ids = [house.submit("mail.send", f"hello{i}", queue="io") for i in range(3)]
    house.copy()
    page = run("list", "--limit", "2", "--task", "mail.send", "--since", "1h", "--json").json

    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    rest = run("list", "--limit", "2", "--task", "mail.send", "--since", "1h", "--page-token", page["next_page_token"])
    assert ids[0] in rest.out
    assert ids[1] not in rest.out
    found = run("list", "--text", "hello0", "--state", "queued", "--queue", "io")
    assert ids[0] in found.out
    assert ids[1] not in found.out
    assert run("list", "--since", "soon").code == 2


def test_the_tables_are_made_once_and_their_state_is_told(house: House) -> None:
    run = commands(house)
    missing = run("list")
    assert missing.code == 69
    assert "flask jobs db upgrade" in missing.err
    assert run("db", "upgrade", "--json").json == {"before": None, "now": newest()}
    assert "were up to date" in run("db", "upgrade").out
    assert "nobody" in run("db", "status").out
    house.copy()
    house.copier._noted = 0.0
    house.copy()
    told = run("db", "status", "--json").json
    assert (told["well"], told["version"], told["gaps"]) == (True, newest(), [])


def test_what_redis_forgot_is_queued_again_by_hand(house: House) -> None:
    run = commands(house)
    house.submit()
    house.copy()
    house.client.flushdb()
    refused = run("reconcile")
    assert refused.code == 69  # the copier that noticed is alive, and does it itself
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE celeriac_history SET touched_at = 0")
    assert run("reconcile").out == "1 restored, 0 cancelled, 0 lost, 0 ended.\n"
    assert len(house.fetch()) == 1


def test_old_jobs_are_forgotten_by_hand(house: House) -> None:
    run = commands(house)
    house.run(house.submit())
    house.copy()

    assert run("db", "prune").out == "0 jobs forgotten.\n"
    assert run("db", "prune", "--older-than", "0").out == "1 jobs forgotten.\n"


def test_a_job_is_listed_from_the_moment_it_was_accepted(house: House) -> None:
    run = commands(house)
    run("db", "upgrade")
    id = house.submit("mail.send", "hello")

    for _ in range(2):
        assert id in run("list", "--text", "hello", "--before", "0s", "--state", "queued").out
        assert run("list", "--state", "failed").out == run("list", "--before", "1h").out == "No job fits.\n"
        house.copy()


def test_many_jobs_are_counted_asked_for_and_cancelled(house: House) -> None:
    run = commands(house)
    ids = [house.submit("mail.send") for _ in range(3)]
    other = house.submit("report.make")
    house.copy()

    assert run("cancel", "--task", "mail.send", "--dry-run").out == "3 jobs would be told to stop.\n"
    refused = run("cancel", "--task", "mail.send", input="n\n")
    assert (refused.code, "Cancel 3 jobs?" in refused.err) == (1, True)
    assert house.client.hget(f"{house.space.keys}job:{ids[0]}", "state") == b"queued"
    assert run("cancel", "--task", "mail.send", input="y\n").out == "3 jobs told to stop, 0 skipped, 0 failed.\n"
    assert {house.client.hget(f"{house.space.keys}job:{id}", "state") for id in ids} == {b"cancelled"}
    assert house.client.hget(f"{house.space.keys}job:{other}", "state") == b"queued"
    told = run("cancel", "--all", "--yes", "--json")
    assert (told.code, told.json["count"], told.json["skipped"], told.json["failed"]) == (0, 1, 0, 0)


def test_many_jobs_run_again_and_what_cannot_is_told(house: House) -> None:
    run = commands(house)
    failed = house.submit("mail.send")
    house.run(failed, move="fail")
    lost = house.submit("mail.send", "x" * 9000)
    house.run(lost, move="fail")
    house.copy()
    house.client.delete(f"{house.space.keys}kept:{lost}")

    assert run("retry", "--state", "succeeded", "--yes").out == "0 jobs queued again, 0 skipped, 0 failed.\n"
    told = run("retry", "--all", "--yes")
    assert told.code == 1
    assert told.out.startswith("1 job queued again, 0 skipped, 1 failed.")
    assert f"{lost} " in told.out
    assert house.client.hget(f"{house.space.keys}job:{failed}", "state") == b"queued"


def test_nobody_guesses_which_jobs_are_meant(house: House) -> None:
    run = commands(house)
    for words in (["cancel"], ["retry"], ["cancel", "x", "--all"], ["cancel", "--all", "--task", "a"],
                  ["retry", "x", "--state", "failed"], ["retry", "--all", "--wait"]):  # fmt: skip
        assert run(*words).code == 2, words
    off = commands(house)
    house.app.extensions["celery"].settings.__dict__["history"] = False
    refused = off("list")
    assert (refused.code, "CELERIAC_HISTORY" in refused.err) == (69, True)


def test_numbers_are_told_by_task_and_over_time(house: House) -> None:
    run = commands(house)
    house.run(house.submit("mail.send"))
    house.submit("mail.send")
    house.copy()

    told = run("stats")
    assert told.out.splitlines()[0].split() == ["TASK", "QUEUED", "SUCCEEDED"]
    assert told.out.splitlines()[1].split() == ["mail.send", "1", "1"]
    found = run("stats", "--since", "7d", "--task", "mail.send", "--json").json
    assert (found["step"], sum(point["submitted"] for point in found["series"])) == (86400, 2)
    assert "Nothing has happened" in run("stats", "--queue", "none").out
