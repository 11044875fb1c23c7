"""`GET /api/stats` counts jobs and what happened to them over time; `/readyz` says how the history is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from celeriac import history
from celeriac.job import Move, State
from tests.api.served import Person, make_app
from tests.api.test_abuse import is_a_problem
from tests.article.running import eventually
from tests.history.asked import Asked, asked_app


@pytest.fixture
def asked(broker_url: str, database_url: str) -> Iterator[Asked]:
    with asked_app(broker_url, database_url) as made:
        yield made


def of_history(person: Person) -> Any:
    [look] = [check for check in person("GET", "/readyz").json["checks"] if check["name"] == "history"]
    return look


def test_jobs_are_counted_by_state_and_task_and_over_time(asked: Asked) -> None:
    asked.end(asked.ann.submit(), result=3)
    asked.end(asked.bob.submit("echo", text="x"), Move.FAIL, error="no")
    asked.ann.submit()
    asked.copied()
    told = asked.olga("GET", "/api/stats").json
    points = told["series"]

    assert told["states"] == {**dict.fromkeys(map(str, State), 0), "succeeded": 1, "failed": 1, "queued": 2}
    assert {one["task"]: one["states"] for one in told["tasks"]} == {
        "sum_up": {"succeeded": 1, "queued": 1},
        "echo": {"failed": 1, "queued": 1},  # the second one marks what is copied
    }
    assert sum(point["submitted"] for point in points) == 4
    assert (sum(point["succeeded"] for point in points), sum(point["failed"] for point in points)) == (1, 1)
    assert [point["wait"]["p50"] >= 0 for point in points if point["wait"]]
    assert told["history"]["on"] is told["history"]["well"] is True
    assert told["step"] == 60
    assert 60 <= len(points) <= 61
    of_echo = asked.olga("GET", "/api/stats?task=echo").json["series"]
    assert [point["failed"] for point in of_echo if point["failed"]] == [1]
    assert not [point for point in asked.olga("GET", "/api/stats?queue=io").json["series"] if point["submitted"]]


def test_a_window_or_a_time_has_its_steps(small: Asked) -> None:
    now = datetime.now(UTC)
    ago = {
        name: (now - timedelta(**{name: n})).isoformat() for name, n in (("minutes", 30), ("hours", 30), ("days", 9))
    }
    for query, step, points in (
        ({"window": "day"}, 900, 97),
        ({"window": "week"}, 3600, 169),
        ({"window": "week", "step": 86400}, 86400, 8),
        ({"since": ago["minutes"]}, 60, 31),
        ({"since": ago["hours"]}, 900, 121),
        ({"since": ago["days"]}, 10800, 73),
        ({"since": ago["hours"], "until": ago["minutes"], "step": 300}, 300, 355),
    ):
        told = small.olga("GET", "/api/stats", query_string=query).json
        assert (told["step"], abs(len(told["series"]) - points) <= 1) == (step, True), (query, len(told["series"]))


@pytest.mark.parametrize(
    "query",
    [
        "window=year", "step=59", "step=90", "step=x", "step=9999999999999999999", "since=now", "until=",
        "since=2026-01-01T00:00:00", "since=2030-01-01T00:00:00Z&until=2029-01-01T00:00:00Z", "task=a&queue=b",
        "since=0001-01-01T00:00:00%2B14:00", "until=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00",
        "since=2020-01-01T00:00:00Z", "since=1970-01-01T00:00:00Z&step=3600", "window=week&step=60", "wide=1",
        "window=day&window=week", "since=9999-12-31T23:59:59Z",
    ],
)  # fmt: skip
def test_a_time_that_makes_no_sense_is_400(small: Asked, query: str) -> None:
    answer = small.olga("GET", f"/api/stats?{query}")

    assert (answer.status_code, is_a_problem(answer)) == (400, True), answer.text


@pytest.fixture(scope="module")
def small(valkey: Any, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One app for what changes nothing."""
    url = f"sqlite:///{tmp_path_factory.mktemp('small') / 'history.db'}"
    with asked_app(valkey.url.removesuffix("/0") + f"/{next(_numbers)}", url) as made:
        made.copied()
        yield made


def test_numbers_of_all_are_for_operators(small: Asked) -> None:
    assert small.ann("GET", "/api/stats").status_code == 403


def test_readiness_tells_how_the_history_is_and_no_more(small: Asked, broker_url: str, tmp_path: Path) -> None:
    told = eventually(lambda: (found := of_history(small.ann))["ok"] and found, "a history that is well")
    assert "s behind" in told["detail"]

    off = of_history(Person(make_app(broker_url, CELERIAC_HISTORY=False), ""))
    assert (off["ok"], "turned off" in off["detail"]) == (True, True)

    with asked_app(broker_url, f"sqlite:///{tmp_path / 'folder' / 'history.db'}") as broken:
        history.of(broken.app).close()
        shutil.rmtree(tmp_path / "folder")
        (tmp_path / "folder").write_text("no folder any more")
        broken.ann("GET", "/api/session")
        bad = eventually(lambda: (found := of_history(broken.ann))["ok"] is False and found, "a history that is not")
        answer = broken.ann("GET", "/readyz")
    assert answer.status_code == 200, "jobs are taken all the same"
    assert bad["detail"] == "The history cannot be written."
    assert str(tmp_path) not in answer.text


def test_without_a_history_there_are_no_numbers(broker_url: str) -> None:
    answer = Person(make_app(broker_url, CELERIAC_HISTORY=False), "olga", "operate")("GET", "/api/stats")

    assert (answer.status_code, answer.json["type"]) == (404, "urn:celeriac:problem:history-off")
