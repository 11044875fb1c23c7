"""`flask jobs schedules`."""

from __future__ import annotations

from tests.api.beating import SCHEDULE, make_app
from tests.cli.conftest import Run, runner


def test_what_beat_submits_is_listed_for_people_and_for_programs(broker_url: str) -> None:
    run = runner(make_app(BROKER_URL=broker_url))

    heads, *lines = run("schedules").out.splitlines()

    assert heads.split() == ["SCHEDULE", "TASK", "ARGUMENTS", "WHEN", "NEXT", "RUN", "LAST", "RUN"]
    assert [line.split()[0] for line in lines] == sorted(SCHEDULE)
    [seldom] = [line for line in lines if line.startswith("seldom")]
    assert seldom.split() == ["seldom", "echo", '{"text":', '"x",', '"times":', "2}", "every", "36", "h", "-", "-"]
    [nightly] = [one for one in run("schedules", "--json").json if one["name"] == "nightly"]
    assert (nightly["words"], nightly["timing"]["expression"]) == ("at 04:30 (Europe/Berlin)", "30 4 * * *")
    assert nightly["next_run_at"]


def test_where_nothing_is_scheduled_it_says_so(run: Run) -> None:
    assert run("schedules").out == "Nothing is scheduled: see `beat_schedule` in Celery's configuration.\n"
    assert run("schedules", "--json").json == []


def test_the_doctor_warns_of_a_schedule_whose_task_nobody_knows(broker_url: str) -> None:
    looks = runner(make_app(BROKER_URL=broker_url))("doctor", "--json").json["looks"]

    found = [look for look in looks if look["name"].startswith("schedule")]
    assert [(look["verdict"], look["name"]) for look in found] == [("warning", "schedule monthly")], found
    assert "'elsewhere.task'" in found[0]["message"]
