"""`POST /api/jobs:cancel` and `:retry` do it to all that fit, of those that the caller may see, and count honestly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from celeriac.actions import many
from celeriac.errors import BrokerUnavailable
from celeriac.job import Move
from tests.api.served import Person, make_app
from tests.api.test_abuse import BODIES, is_a_problem
from tests.history.asked import Asked, asked_app


@pytest.fixture
def asked(broker_url: str, database_url: str) -> Iterator[Asked]:
    with asked_app(broker_url, database_url) as made:
        yield made


def state(asked: Asked, id: str) -> str:
    found: str = asked.olga("GET", f"/api/jobs/{id}").json["state"]
    return found


def test_a_dry_run_counts_and_changes_nothing(asked: Asked) -> None:
    ids = [asked.ann.submit() for _ in range(3)]
    asked.bob.submit()
    asked.copied()
    told = asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up", "dry_run": True})

    assert (told.status_code, told.json["count"], told.json["dry_run"]) == (200, 3, True)
    assert {state(asked, id) for id in ids} == {"queued"}


def test_all_that_fit_are_cancelled_those_that_came_just_now_too(asked: Asked) -> None:
    old = [asked.ann.submit() for _ in range(3)]
    asked.copied()
    fresh, other, ended = asked.ann.submit(), asked.ann.submit("echo", text="x"), asked.ann.submit("order", **ORDER)
    asked.hand.end(asked.hand.start("orders"))
    of_bob = asked.bob.submit()

    told = asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up"}).json
    assert (told["count"], told["skipped"], told["failed"], told["next_page_token"]) == (4, 0, 0, None)
    assert {state(asked, id) for id in (*old, fresh)} == {"cancelled"}
    assert (state(asked, other), state(asked, of_bob), state(asked, ended)) == ("queued", "queued", "succeeded")
    assert asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up"}).json["count"] == 0
    assert asked.ann("POST", "/api/jobs:cancel", {"state": ["succeeded"]}).json["count"] == 0
    assert asked.olga("POST", "/api/jobs:cancel", {"owner": "bob"}).json["count"] == 1


ORDER = {"item": "lamp", "to": {"street": "Elm", "zip": "12345"}}


def test_what_failed_runs_again_and_what_succeeded_only_when_it_is_named(asked: Asked) -> None:
    failed, good = asked.ann.submit(), asked.ann.submit()
    asked.end(failed, Move.FAIL, error="no")
    asked.end(good, result=3)
    asked.copied()

    told = asked.ann("POST", "/api/jobs:retry", {"all": True}).json
    assert (told["count"], state(asked, failed), state(asked, good)) == (1, "queued", "succeeded")
    told = asked.ann("POST", "/api/jobs:retry", {"state": ["succeeded"]}).json
    assert (told["count"], state(asked, good)) == (1, "queued")


def test_it_is_done_in_pieces_that_go_on_where_the_last_one_ended(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "PIECE", 3)
    ids = [asked.ann.submit() for _ in range(11)]
    asked.copied()
    counts, token = [], None
    while token or not counts:
        body = {"task": "sum_up", "limit": 5} | ({"page_token": token} if token else {})
        told = asked.ann("POST", "/api/jobs:cancel", body).json
        counts.append(told["count"])
        token = told["next_page_token"]

    assert counts == [5, 5, 1]
    assert {state(asked, id) for id in ids} == {"cancelled"}


def test_what_cannot_run_again_is_told_and_does_not_keep_the_others(asked: Asked) -> None:
    large, good, gone = asked.ann.submit("echo", text="x" * 9000), asked.ann.submit(), asked.ann.submit()
    for id in (large, good, gone):
        asked.end(id, Move.FAIL, error="no")
    asked.copied()
    client, keys = asked.hand.client, asked.hand.space.keys
    client.delete(f"{keys}kept:{large}", f"{keys}job:{gone}")
    client.hset(f"{keys}job:{large}", "args", "")

    told = asked.ann("POST", "/api/jobs:retry", {"state": ["failed"]}).json

    assert (told["count"], told["skipped"], told["failed"]) == (2, 0, 1)
    assert [one["id"] for one in told["problems"]] == [large]
    assert "too large" in told["problems"][0]["detail"]
    assert (state(asked, good), state(asked, gone)) == ("queued", "queued")


def test_when_redis_goes_away_it_says_how_far_it_came(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    [asked.ann.submit() for _ in range(4)]
    asked.copied()
    cancel, done = many.cancel, []

    def fail_at_the_third(*words: Any) -> Any:
        if len(done) == 2:
            raise BrokerUnavailable("Redis does not answer.")
        done.append(words)
        return cancel(*words)

    with monkeypatch.context() as patch:
        patch.setattr(many, "cancel", fail_at_the_third)
        patch.setattr(many, "PIECE", 1)
        told = asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up"}).json
        assert (told["count"], told["problems"][0]["detail"]) == (2, "Redis does not answer.")
        assert asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up"}).status_code == 503
    rest = asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up", "page_token": told["next_page_token"]}).json
    assert rest["count"] == 2


def test_an_equal_request_with_its_key_is_one(asked: Asked) -> None:
    key = {"Idempotency-Key": "once"}
    asked.ann.submit()
    first = asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up"}, headers=key)
    later = asked.ann.submit()
    second = asked.ann("POST", "/api/jobs:cancel", {"task": "sum_up"}, headers=key)

    assert first.json == second.json
    assert state(asked, later) == "queued"
    assert asked.ann("POST", "/api/jobs:cancel", {"task": "echo"}, headers=key).status_code == 422


@pytest.fixture(scope="module")
def small(valkey: Any, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One app for what changes nothing."""
    url = f"sqlite:///{tmp_path_factory.mktemp('small') / 'history.db'}"
    with asked_app(valkey.url.removesuffix("/0") + f"/{next(_numbers)}", url) as made:
        yield made


BAD: list[tuple[Any, int]] = [
    ({}, 422), ({"dry_run": True}, 422), ({"limit": 5}, 422), ({"all": False}, 422), ({"all": True, "task": "x"}, 422),
    ({"all": 1}, 422), ({"all": "true"}, 422), ({"state": "failed"}, 422), ({"state": ["broken"]}, 422),
    ({"state": ["failed"] * 10}, 422), ({"task": ""}, 422), ({"task": "a\x00"}, 422), ({"q": "&|"}, 400),
    ({"created_after": "now"}, 422), ({"created_after": "2026-01-01T00:00:00"}, 422), ({"task": "a", "limit": 0}, 422),
    ({"task": "a", "limit": 1001}, 422), ({"task": "a", "page_token": ""}, 422), ({"task": "a", "ids": ["x"]}, 422),
    ({"task": "a", "page_token": "AAAA"}, 400), ({"owner": "bob"}, 403),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), BAD)
@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_body_that_makes_no_sense_does_nothing(small: Asked, verb: str, body: Any, status: int) -> None:
    id = small.ann.submit()
    answer = small.ann("POST", f"/api/jobs:{verb}", body)

    assert (answer.status_code, is_a_problem(answer)) == (status, True), answer.text
    assert state(small, id) == "queued"


def test_the_abuse_table_holds_here_too(small: Asked) -> None:
    for case, (body, kind, status) in BODIES.items():
        for verb in ("cancel", "retry"):
            answer = small.ann("POST", f"/api/jobs:{verb}", data=body, content_type=kind or None)
            assert (answer.status_code, is_a_problem(answer)) == (status, True), case


def test_who_may(small: Asked, broker_url: str) -> None:
    reader = Person(small.app, "ann", "read")
    assert reader("POST", "/api/jobs:cancel", {"all": True}).status_code == 403
    assert Person(small.app, "")("POST", "/api/jobs:retry", {"all": True}).status_code == 401
    assert small.ann("GET", "/api/jobs:retry").status_code == 405
    off = Person(make_app(broker_url, CELERIAC_HISTORY=False), "ann", "submit")
    assert off("POST", "/api/jobs:cancel", {"all": True}).json["type"] == "urn:celeriac:problem:history-off"
