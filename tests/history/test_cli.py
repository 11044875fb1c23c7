"""`flask jobs history`, `db` and `reconcile` say and do what the history does."""

from __future__ import annotations

from tests.cli.conftest import Run, runner
from tests.history.conftest import House


def commands(house: House) -> Run:
    return runner(house.app)


def test_jobs_are_listed_and_searched_page_by_page(house: House) -> None:
    run = commands(house)
    assert run("db", "upgrade").out.startswith("The tables are new")
    assert run("history").out == "No job fits.\n"
    ids = [house.submit("mail.send", f"hello{i}", queue="io") for i in range(3)]
    house.copy()
    page = run("history", "--limit", "2", "--task", "mail.send", "--since", "1h", "--json").json

    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    rest = run(
        "history", "--limit", "2", "--task", "mail.send", "--since", "1h", "--page-token", page["next_page_token"]
    )
    assert ids[0] in rest.out
    assert ids[1] not in rest.out
    found = run("history", "--text", "hello0", "--state", "queued", "--queue", "io")
    assert ids[0] in found.out
    assert ids[1] not in found.out
    assert run("history", "--since", "soon").code == 2


def test_the_tables_are_made_once_and_their_state_is_told(house: House) -> None:
    run = commands(house)
    missing = run("history")
    assert missing.code == 69
    assert "flask jobs db upgrade" in missing.err
    assert run("db", "upgrade", "--json").json == {"before": None, "now": "0001"}
    assert "were up to date" in run("db", "upgrade").out
    assert "nobody" in run("db", "status").out
    house.copy()
    house.copier._noted = 0.0
    house.copy()
    told = run("db", "status", "--json").json
    assert (told["well"], told["version"], told["gaps"]) == (True, "0001", [])


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
