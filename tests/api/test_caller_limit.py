"""A caller may have so many unfinished jobs, however they end, and however many requests come at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import chain
from flask import Flask

from celeriac import actions
from celeriac.api.door import admit
from celeriac.auth.caller import Scope
from celeriac.job import Move
from tests.api.served import Hand, Person, echo, make_app
from tests.article.running import eventually

ONE = {"numbers": [1.0]}


@pytest.fixture
def app(broker_url: str) -> Flask:
    """An app in which everybody may have three."""
    return make_app(broker_url, CELERIAC_CALLER_LIMIT=3, CELERIAC_RATE_LIMIT=0)


def unfinished(app: Flask) -> dict[str, int]:
    """Return how many unfinished jobs are counted for each caller."""
    context = app.extensions["celeriac"].context
    found = context.client.hgetall(f"{context.space.keys}unfinished")
    return {owner.decode(): int(n) for owner, n in found.items()}


def test_one_too_many_is_refused_until_another_has_ended(ann: Person, bob: Person, hand: Hand) -> None:
    answers = [ann("POST", "/api/tasks/sum_up", ONE) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert answers[3].json["type"] == "urn:celeriac:problem:too-many-jobs"
    assert int(answers[3].headers["Retry-After"]) > 0
    assert bob("POST", "/api/tasks/sum_up", ONE).status_code == 202
    assert ann("POST", "/own").status_code == 429

    hand.end(hand.start())
    assert ann("POST", "/api/jobs", {"task": "sum_up", "arguments": ONE, "delay": 60}).status_code == 202
    assert ann("POST", "/api/tasks/sum_up", ONE).status_code == 429


def test_every_end_makes_room(app: Flask, ann: Person, hand: Hand) -> None:
    ann.submit()
    hand.end(hand.start(), Move.SUCCEED, 1)
    ann.submit()
    hand.end(hand.start(), Move.FAIL, error="no")
    ann.submit()
    hand.lose_for_good()
    queued = ann.submit()
    ann("POST", f"/api/jobs/{queued}/cancel")
    later = ann("POST", "/api/jobs", {"task": "sum_up", "arguments": ONE, "delay": 60}).json["id"]
    ann("POST", f"/api/jobs/{later}/cancel")
    assert hand.take() == []
    ann.submit()
    with app.app_context():
        actions.purge(app.extensions["celeriac"].context, "celery")

    assert unfinished(app) == {}


def test_what_runs_again_counts_again_and_is_not_refused(app: Flask, ann: Person, hand: Hand) -> None:
    """It was accepted once."""
    good, bad = ann.submit(), ann.submit()
    hand.end(hand.start())
    hand.end(hand.start(), Move.FAIL, error="no")
    for _ in range(3):
        ann.submit()

    assert [ann("POST", f"/api/jobs/{id}/retry").status_code for id in (good, bad)] == [202, 202]

    assert unfinished(app) == {"ann": 5}
    for _ in range(5):
        hand.end(hand.start())
    assert unfinished(app) == {}


def test_what_follows_an_accepted_job_is_never_refused(app: Flask, ann: Person, worker: None) -> None:
    with app.test_request_context(headers={"Authorization": f"Bearer {ann.token}"}):
        admit(Scope.SUBMIT)
        result = chain(*(echo.si(str(n)) for n in range(8))).apply_async()
    assert result.get(timeout=60) == "7"

    eventually(lambda: unfinished(app) == {}, "the ends of all eight")


def test_at_once_no_more_come_in_than_there_may_be(app: Flask, ann: Person) -> None:
    together = threading.Barrier(12)

    def submit(_: int) -> int:
        client = app.test_client()
        together.wait(60)
        answer: Any = client.post("/api/tasks/sum_up", json=ONE, headers={"Authorization": f"Bearer {ann.token}"})
        return int(answer.status_code)

    with ThreadPoolExecutor(12) as pool:
        assert Counter(pool.map(submit, range(12))) == {202: 3, 429: 9}
    assert unfinished(app) == {"ann": 3}


def test_a_key_is_free_again_after_a_refusal(ann: Person, hand: Hand) -> None:
    for _ in range(3):
        ann.submit()
    key = {"Idempotency-Key": "k"}
    assert ann("POST", "/api/tasks/sum_up", ONE, headers=key).status_code == 429
    hand.end(hand.start())

    first, second = (ann("POST", "/api/tasks/sum_up", ONE, headers=key) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json == second.json
