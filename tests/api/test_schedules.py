"""What Celery beat submits by itself is listed, and what a real beat submits is a job like any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from celeriac import history
from celeriac.errors import ConfigError
from celeriac.worker.embedded import embedded_worker
from celeriac.worker.schedules import schedules
from tests.api.beating import SCHEDULE, make_app
from tests.api.served import Person
from tests.api.served import make_app as make_plain
from tests.article.running import Program, eventually

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def env(broker_url: str, tmp_path: Path) -> dict[str, str]:
    """Where the app has its jobs, and its history of them."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    return {"BROKER_URL": broker_url, "CELERIAC_HISTORY": "true", "DATABASE_URL": url, "CELERIAC_DATA": str(tmp_path)}


@pytest.fixture
def app(env: dict[str, str]) -> Iterator[Flask]:
    """The app, closed as in production."""
    made = make_app(**env)
    history.of(made).upgrade()
    yield made
    if copier := made.extensions.get("celeriac.history", {}).get("copier"):
        copier.stop()


@pytest.fixture
def listed(olga: Person) -> dict[str, dict[str, Any]]:
    """What an operator is told, by name."""
    items = olga("GET", "/api/schedules").json["items"]
    assert [one["name"] for one in items] == sorted(SCHEDULE)
    return {one["name"]: one for one in items}


def test_each_schedule_tells_what_is_submitted_and_when(listed: dict[str, dict[str, Any]]) -> None:
    often = listed["often"]
    assert (often["task"], often["arguments"]) == ("sum_up", {"numbers": [1, 2]})
    assert listed["seldom"]["arguments"] == {"text": "x", "times": 2}
    assert listed["monthly"]["task"] == "elsewhere.task"
    assert {name: one["words"] for name, one in listed.items()} == {
        "often": "every 1 s",
        "seldom": "every 36 h",
        "nightly": "at 04:30 (Europe/Berlin)",
        "weekdays": "every 15 min, hour 8-17, day of week mon-fri (Europe/Berlin)",
        "secretly": "at minute 0 (Europe/Berlin)",
        "monthly": "<when the moon is full>",
    }


def test_programs_are_told_the_same_in_fields(listed: dict[str, dict[str, Any]]) -> None:
    nothing = dict.fromkeys(("seconds", "expression", "timezone", "event", "latitude", "longitude"))
    assert listed["seldom"]["timing"] == {**nothing, "kind": "interval", "seconds": 129600}
    assert listed["weekdays"]["timing"] == {
        **nothing, "kind": "crontab", "expression": "*/15 8-17 * * mon-fri", "timezone": "Europe/Berlin",
    }  # fmt: skip
    assert listed["monthly"]["timing"] == {**nothing, "kind": "other"}


def test_the_next_run_is_told_where_the_clock_alone_decides_it(listed: dict[str, dict[str, Any]]) -> None:
    now = datetime.now(BERLIN)
    next_run = {name: one["next_run_at"] and datetime.fromisoformat(one["next_run_at"]) for name, one in listed.items()}

    assert not any(next_run[name] for name in ("often", "seldom", "monthly"))
    nightly = next_run["nightly"].astimezone(BERLIN)
    assert (nightly.hour, nightly.minute, nightly.second) == (4, 30, 0)
    assert now - timedelta(minutes=1) < nightly < now + timedelta(hours=26)
    weekdays = next_run["weekdays"].astimezone(BERLIN)
    assert (weekdays.minute % 15, weekdays.hour in range(8, 18), weekdays.weekday() < 5) == (0, True, True)


def test_the_next_run_is_after_now_and_on_the_clock_of_the_app(app: Flask) -> None:
    now = datetime.now(UTC)
    [hourly] = [one for one in schedules(app.extensions["celery"], now) if one.name == "secretly"]

    assert hourly.next_run_at == now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def test_what_was_added_in_code_is_listed_too(app: Flask, olga: Person) -> None:
    celery = app.extensions["celery"]
    celery.add_periodic_task(90, celery.signature("elsewhere.late", args=(5,)), name="late")

    [late] = [one for one in olga("GET", "/api/schedules").json["items"] if one["name"] == "late"]
    assert (late["words"], late["arguments"]) == ("every 90 s", {"0": 5})


def test_an_app_without_schedules_lists_none(broker_url: str) -> None:
    assert Person(make_plain(broker_url), "olga", "operate")("GET", "/api/schedules").json == {"items": []}


@pytest.mark.parametrize(
    "entry", [{"task": "echo"}, {"schedule": 5}, {"task": "echo", "schedule": "30 4 * * *"}, {"task": 5, "schedule": 5}]
)
def test_an_entry_that_beat_cannot_read_is_named(broker_url: str, entry: dict[str, Any]) -> None:
    app = make_plain(broker_url, CELERY={"beat_schedule": {"wrong": entry}})
    said = app.test_cli_runner().invoke(args=["jobs", "schedules"])

    assert (said.exit_code, "beat_schedule['wrong']" in said.stderr) == (78, True)
    with pytest.raises(ConfigError, match=r"beat_schedule\['wrong'\]"):
        schedules(app.extensions["celery"])
    assert Person(app, "olga", "operate")("GET", "/api/schedules").status_code == 500


def test_schedules_are_for_operators_and_their_secrets_for_nobody(
    ann: Person, stranger: Person, listed: dict[str, dict[str, Any]]
) -> None:
    assert ann("GET", "/api/schedules").status_code == 403
    assert stranger("GET", "/api/schedules").status_code == 401
    assert listed["secretly"]["arguments"] == {"password": "[hidden]"}


@pytest.mark.slow
def test_what_a_real_beat_submits_has_its_record_and_is_done(
    app: Flask, olga: Person, bob: Person, env: dict[str, str], tmp_path: Path
) -> None:
    log, state = tmp_path / "beat.log", str(tmp_path / "beat")
    beat = Program(["celery", "-A", "tests.api.beating", "beat", "-s", state, "--pidfile", ""], log, env)

    def submitted() -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = olga("GET", "/api/jobs?task=sum_up").json["items"]
        return jobs if len(jobs) > 1 else []

    try:
        jobs = eventually(submitted, f"two jobs of beat: {log}")
    finally:
        beat.stop()
    assert {job["owner"] for job in jobs} == {None}

    def last() -> dict[str, Any] | None:
        told = {one["name"]: one for one in olga("GET", "/api/schedules").json["items"]}
        assert told["seldom"]["last_job_id"] is None
        return told["often"] if told["often"]["last_job_id"] else None

    often = eventually(last, "the last job of a schedule in the history")
    assert often["last_run_at"] == olga("GET", f"/api/jobs/{often['last_job_id']}").json["created_at"]
    assert bob("GET", f"/api/jobs/{jobs[0]['id']}").status_code == 404
    assert bob("GET", "/api/jobs").json["items"] == []
    with embedded_worker(app.extensions["celery"]):
        done = olga("GET", f"/api/jobs/{jobs[0]['id']}", headers={"Prefer": "wait=30"}).json
    assert (done["state"], done["result"], done["arguments"]) == ("succeeded", 3, {"numbers": [1, 2]})
