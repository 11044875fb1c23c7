"""Many jobs with one request: an answer per item, each job once however often it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from celeriac.stack.valkey import Valkey
from tests.api.served import Person, make_app

BATCH = "/api/tasks/sum_up:batch"
KEY = {"Idempotency-Key": "4f0d43c5-5f9f-4a07-9f05-b6bb4b5cf3a2"}


def items(n: int) -> dict[str, Any]:
    return {"items": [{"numbers": [i]} for i in range(n)]}


def count(url: str) -> int:
    with Redis.from_url(url) as redis:
        return len(redis.keys("celeriac:job:*"))


def test_each_item_is_a_job_of_its_caller(ann: Person, bob: Person) -> None:
    answer = ann("POST", BATCH, {**items(3), "queue": "slow", "priority": 2})

    assert (answer.status_code, answer.json["accepted"]) == (202, 3)
    for i, item in enumerate(answer.json["items"]):
        job = ann("GET", f"/api/jobs/{item['id']}").json
        assert (job["arguments"], job["queue"], job["state"]) == ({"numbers": [i]}, "slow", "queued")
        assert bob("GET", f"/api/jobs/{item['id']}").status_code == 404


def test_what_does_not_fit_is_said_beside_what_does(ann: Person, broker_url: str) -> None:
    answer = ann("POST", BATCH, {"items": [{"numbers": [1]}, {"numbers": "x"}, {}, {"numbers": []}]})

    first, wrong, missing, last = answer.json["items"]
    assert (answer.status_code, answer.json["accepted"], count(broker_url)) == (202, 2, 2)
    assert set(first) == set(last) == {"id"}
    assert (wrong["error"]["status"], wrong["error"]["errors"][0]["pointer"]) == (422, "/numbers")
    assert missing["error"]["type"] == "urn:celeriac:problem:invalid-arguments"


def test_a_batch_of_which_nothing_fits_is_refused(ann: Person, broker_url: str) -> None:
    answer = ann("POST", BATCH, {"items": [{"numbers": "x"}] * 3})

    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == [f"/items/{i}/numbers" for i in range(3)]
    assert count(broker_url) == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/items"),
        ({"items": []}, "/items"),
        ({"items": [1]}, "/items/0"),
        ({"items": {"numbers": [1]}}, "/items"),
        ({**items(1), "more": 1}, "/more"),
        ({**items(1), "delay": 1, "run_at": "2040-01-01T00:00:00Z"}, "/run_at"),
        ({**items(1), "queue": "a b"}, "/queue"),
        ({**items(1), "priority": 10}, "/priority"),
        (items(10_001), "/items"),
    ],
)
def test_a_batch_that_is_none_is_refused(ann: Person, broker_url: str, body: dict[str, Any], pointer: str) -> None:
    answer = ann("POST", BATCH, body)

    assert answer.status_code == 422
    assert pointer in [fault["pointer"] for fault in answer.json["errors"]]
    assert count(broker_url) == 0


def test_an_unknown_task_and_a_body_that_is_too_large_are_refused(ann: Person, broker_url: str) -> None:
    assert ann("POST", "/api/tasks/nothing:batch", items(1)).status_code == 404
    assert ann("POST", BATCH, {"items": [{"numbers": [0] * 4_000_000}]}).status_code == 413
    assert count(broker_url) == 0


def test_only_who_may_submit_may_submit_many(app: Flask, broker_url: str) -> None:
    assert Person(app, "rita", "read")("POST", BATCH, items(1)).status_code == 403
    assert app.test_client().post(BATCH, json=items(1)).status_code == 401
    assert count(broker_url) == 0


def test_ten_thousand_are_taken_at_once(ann: Person, broker_url: str) -> None:
    answer = ann("POST", BATCH, items(10_000))

    assert (answer.status_code, answer.json["accepted"]) == (202, 10_000)
    with Redis.from_url(broker_url) as redis:
        assert redis.llen("celery") == 10_000


def test_a_repetition_with_the_same_key_queues_nothing_more(ann: Person, bob: Person, broker_url: str) -> None:
    first = ann("POST", BATCH, items(5), headers=KEY)
    second = ann("POST", BATCH, items(5), headers=KEY)

    assert first.json == second.json
    assert ann("POST", BATCH, items(4), headers=KEY).status_code == 422
    assert bob("POST", BATCH, items(5), headers=KEY).json["items"] != first.json["items"]
    assert count(broker_url) == 10


def test_what_a_full_queue_refused_is_asked_for_again_under_the_same_key(broker_url: str) -> None:
    """The answer of a batch that is in by half is not final: once there is room, the same request brings the rest."""
    ann = Person(make_app(broker_url, CELERIAC_QUEUE_LIMIT=3), "ann", "submit", "read")
    first = ann("POST", BATCH, items(5), headers=KEY)
    with Redis.from_url(broker_url) as redis:
        redis.delete("celery")
        (key,) = redis.keys("celeriac:idempotency:*")
        assert redis.hget(key, "answer") is None
        redis.hset(key, "since", 0)  # as if the time were over after which a request is given up
    second = ann("POST", BATCH, items(5), headers=KEY)

    assert [item.get("error", {}).get("status") for item in first.json["items"]] == [None, None, None, 503, 503]
    assert [item["id"] for item in second.json["items"]][:3] == [item["id"] for item in first.json["items"][:3]]
    assert (second.json["accepted"], count(broker_url)) == (5, 5)


def test_without_redis_nothing_is_queued_and_it_is_said(tmp_path: Any) -> None:
    valkey = Valkey(tmp_path).start()
    kim = Person(make_app(valkey.url, CELERIAC_LOCAL=True), "")
    assert kim("POST", BATCH, items(2)).status_code == 202
    valkey.kill()

    answer = kim("POST", BATCH, items(2))

    assert answer.status_code == 503
    assert json.loads(answer.data)["type"] == "urn:celeriac:problem:broker-unavailable"
