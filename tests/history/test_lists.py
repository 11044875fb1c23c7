"""`GET /api/jobs`: the newest first, page by page, each caller's own, as they are at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from celeriac.job import Move
from tests.api.served import Person, make_app
from tests.api.test_abuse import is_a_problem
from tests.article.running import eventually
from tests.history.asked import Asked, asked_app


@pytest.fixture
def asked(broker_url: str, database_url: str) -> Iterator[Asked]:
    with asked_app(broker_url, database_url) as made:
        yield made


def test_a_job_is_in_the_list_from_the_moment_it_was_accepted(asked: Asked) -> None:
    """Before SQL knows it, while SQL lags behind, and when it is there."""
    ids = [asked.ann.submit() for _ in range(3)]
    [newest, *_] = asked.ann("GET", "/api/jobs").json["items"]

    assert asked.ids(asked.ann) == ids[::-1]
    assert (newest["id"], newest["task"], newest["state"], newest["owner"]) == (ids[2], "sum_up", "queued", "ann")
    assert newest["arguments"] == {"numbers": [1.0, 2.0]}
    asked.hand.start()
    assert asked.ids(asked.ann, state="running") == [ids[0]]
    asked.copied()
    assert asked.ids(asked.ann) == ids[::-1]
    assert asked.ids(asked.ann, state=["queued", "running"]) == ids[::-1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 500])
def test_pages_show_every_job_once(asked: Asked, size: int) -> None:
    copied = [asked.ann.submit() for _ in range(7)]
    asked.copied()
    fresh = [asked.ann.submit() for _ in range(2)]

    found = asked.ids(asked.ann, page_size=size)

    assert found == (copied + fresh)[::-1]


def test_each_sees_their_own_and_an_operator_all(asked: Asked) -> None:
    of_ann, of_bob = asked.ann.submit(), asked.bob.submit()
    for _ in range(2):  # at first from the journal, then from SQL
        assert asked.ids(asked.ann) == [of_ann]
        assert asked.ids(asked.bob) == [of_bob]
        assert asked.ids(asked.ann, owner="ann") == [of_ann]
        assert {of_ann, of_bob} <= set(asked.ids(asked.olga))
        assert asked.ids(asked.olga, owner="bob") == [of_bob]
        refused = asked.ann("GET", "/api/jobs?owner=bob")
        assert (refused.status_code, is_a_problem(refused)) == (403, True)
        asked.copied()


def test_each_filter_finds_what_it_says(asked: Asked) -> None:
    failed = asked.ann.submit("echo", text="Alice alpha")
    asked.end(failed, Move.FAIL, error='{"type": "OSError", "message": "disk full"}')
    order = asked.ann.submit("order", item="lamp", to={"street": "Elm", "zip": "12345"})
    before = a_moment_between()
    later = asked.ann.submit("echo", text="beta")

    for _ in range(2):
        assert asked.ids(asked.ann, state="failed") == [failed]
        assert asked.ids(asked.ann, state=["failed", "queued"]) == [later, order, failed]
        assert asked.ids(asked.ann, task="echo") == [later, failed]
        assert asked.ids(asked.ann, queue="orders", task="order") == [order]
        assert asked.ids(asked.ann, q="ALICE alph*") == [failed]
        assert asked.ids(asked.ann, q="disk") == [failed]
        assert asked.ids(asked.ann, q="lamp", task="echo") == []
        assert asked.ids(asked.ann, task="none") == []
        assert asked.ids(asked.ann, created_after=before.isoformat()) == [later]
        assert asked.ids(asked.ann, created_before=before.isoformat(), task="echo") == [failed]
        assert asked.ids(asked.ann, created_before=(before - timedelta(days=1)).isoformat()) == []
        asked.copied()


def a_moment_between() -> datetime:
    """Return a time after everything before it, and before everything after it: jobs have milliseconds."""
    began = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - began > timedelta(milliseconds=4), "the next milliseconds")
    return began + timedelta(milliseconds=2)


def test_what_redis_has_forgotten_is_still_in_the_list(asked: Asked) -> None:
    id = asked.ann.submit("echo", text="hello")
    asked.end(id, result="hello")
    asked.copied()
    asked.hand.client.delete(f"{asked.hand.space.keys}job:{id}")
    [job] = asked.ann("GET", "/api/jobs").json["items"]

    assert (job["id"], job["state"], job["arguments"]) == (id, "succeeded", {"text": "hello"})


def test_what_is_deleted_leaves_the_list_at_once(asked: Asked) -> None:
    id = asked.ann.submit()
    asked.end(id, result=3)
    asked.copied()
    assert asked.ann("DELETE", f"/api/jobs/{id}").status_code == 204

    assert asked.ids(asked.ann) == []


def test_a_list_leaves_out_what_is_large_and_what_is_secret(asked: Asked) -> None:
    large = asked.ann.submit("echo", text="x" * 5000)
    asked.end(large, result="y" * 5000)
    secret = asked.ann.submit("blow_up", password="hunter2")
    for _ in range(2):
        shown = {job["id"]: job for job in asked.ann("GET", "/api/jobs").json["items"]}
        assert (shown[large]["arguments"], shown[large]["result"]) == (None, None)
        assert shown[secret]["arguments"] == {"password": "[hidden]"}
        asked.copied()
        asked.hand.client.delete(*(f"{asked.hand.space.keys}job:{id}" for id in (large, secret)))


@pytest.mark.parametrize(
    "query",
    [
        "state=broken", "state=", "state=queued&state=&", "task=", "task=a&task=b", "queue=%00", "owner=", "q=",
        "q=%26%7C", f"q={'x' * 501}", "created_after=yesterday", "created_after=2026-01-01T00:00:00",
        "created_before=2026-13-01T00:00:00Z", "created_after=", "page_size=0", "page_size=501", "page_size=x",
        "page_size=", "page_size=%D9%A3", "page_token=", "page_token=x", "page_token=%00", "page_token=MDAwMDAwMDA",
        f"page_token={'A' * 5000}", "stat=queued", "sort=id", "dry_run=1", f"task={'x' * 201}",
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_400(small: Asked, query: str) -> None:
    answer = small.olga("GET", f"/api/jobs?{query}")

    assert (answer.status_code, is_a_problem(answer)) == (400, True), answer.text


@pytest.mark.parametrize(
    "query",
    [
        "created_after=9999-12-31T23:59:59Z", "created_before=9999-12-31T23:59:59-14:00",
        "created_before=0001-01-01T00:00:00%2B14:00", "created_after=0001-01-01T00:00:00Z", "task=%F0%9F%92%A5",
        "task='%20OR%201=1--", "q=%27%22%29%20OR%20x", "queue=%25", "task=%FF", "q=a*%20NEAR(", "owner=nobody",
    ],
)  # fmt: skip
def test_a_strange_filter_finds_nothing_strange(small: Asked, query: str) -> None:
    answer = small.olga("GET", f"/api/jobs?{query}")

    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def small(
    request: pytest.FixtureRequest, valkey: Any, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """One app for what changes nothing."""
    broker_url = valkey.url.removesuffix("/0") + f"/{next(_numbers)}"
    url = f"sqlite:///{tmp_path_factory.mktemp('small') / 'history.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database()
    with asked_app(broker_url, url) as made:
        made.ann.submit("echo", text="hello")
        made.copied()
        yield made


def test_a_token_belongs_to_its_filter_and_caller(asked: Asked) -> None:
    for _ in range(3):
        asked.ann.submit()
    token = asked.ann("GET", "/api/jobs?page_size=1").json["next_page_token"]

    assert asked.ann("GET", f"/api/jobs?page_size=2&page_token={token}").status_code == 200
    assert asked.ann("GET", f"/api/jobs?task=echo&page_token={token}").status_code == 400
    assert asked.bob("GET", f"/api/jobs?page_token={token}").status_code == 400


def test_without_a_history_a_list_says_so(broker_url: str) -> None:
    answer = Person(make_app(broker_url, CELERIAC_HISTORY=False), "ann", "read")("GET", "/api/jobs")

    assert (answer.status_code, answer.json["type"]) == (404, "urn:celeriac:problem:history-off")
    assert "CELERIAC_HISTORY" in answer.json["hint"]


def test_while_sql_is_away_a_list_is_503_and_jobs_are_taken(broker_url: str, tmp_path: Any) -> None:
    app = make_app(broker_url, CELERIAC_HISTORY=True, DATABASE_URL=f"sqlite:///{tmp_path}")  # a folder is no database
    ann = Person(app, "ann", "submit", "read")
    answer = ann("GET", "/api/jobs")

    assert (answer.status_code, answer.json["type"]) == (503, "urn:celeriac:problem:history-unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert str(tmp_path) not in answer.text
    ann.submit()
    with Redis.from_url(broker_url) as redis:
        assert eventually(lambda: redis.llen("celery"), "the job")
    app.extensions["celeriac.history"]["copier"].stop()
