"""An idempotency key makes equal requests one, whatever happens in between."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from celeriac.errors import BrokerUnavailable
from celeriac.job import Move
from celeriac.stack.valkey import Valkey
from celeriac.store import idempotency
from celeriac.worker.sender import Sender
from tests.api.served import Hand, Person, make_app

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
BODY = {"numbers": [1, 2]}


def jobs(url: str) -> int:
    with Redis.from_url(url) as redis:
        return len(redis.keys("celeriac:job:*"))


def test_the_first_answer_is_given_again(broker_url: str, ann: Person) -> None:
    first = ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)
    second = ann("POST", "/api/tasks/sum_up", dict(reversed(BODY.items())), headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json == second.json
    assert first.headers["Location"] == second.headers["Location"]
    assert jobs(broker_url) == 1


def test_the_same_key_with_another_body_is_refused(broker_url: str, ann: Person) -> None:
    ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)

    answer = ann("POST", "/api/tasks/sum_up", {"numbers": [3]}, headers=KEY)

    assert answer.status_code == 422
    assert answer.json["type"] == "urn:celeriac:problem:key-reused"
    assert jobs(broker_url) == 1


def test_a_key_belongs_to_its_caller_and_route(broker_url: str, ann: Person, bob: Person) -> None:
    for person, path, body in (
        (ann, "/api/tasks/sum_up", BODY),
        (bob, "/api/tasks/sum_up", BODY),
        (ann, "/api/jobs", {"task": "sum_up", "arguments": BODY}),
        (ann, "/api/tasks/echo", {"text": "x"}),
    ):
        assert person("POST", path, body, headers=KEY).status_code == 202
    assert jobs(broker_url) == 4


def test_a_refused_request_leaves_its_key_free(ann: Person) -> None:
    assert ann("POST", "/api/tasks/sum_up", {"numbers": "x"}, headers=KEY).status_code == 422
    assert ann("POST", "/api/tasks/sum_up", BODY, headers=KEY).status_code == 202


def test_while_the_first_is_in_flight_the_second_is_409(
    app: Flask, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    send = type(app.extensions["celeriac"].api.context.send).__call__

    def slowly(self: Any, *args: Any, **options: Any) -> str:
        inside.set()
        assert go_on.wait(60)
        return str(send(self, *args, **options))

    monkeypatch.setattr("celeriac.worker.sender.Sender.__call__", slowly)
    answers: list[Any] = []
    other = app.test_client()
    headers = {**KEY, "Authorization": f"Bearer {ann.token}"}
    first = threading.Thread(target=lambda: answers.append(other.post("/api/tasks/sum_up", json=BODY, headers=headers)))
    first.start()
    assert inside.wait(60)
    second = ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)
    go_on.set()
    first.join(60)

    assert (second.status_code, second.json["type"]) == (409, "urn:celeriac:problem:key-in-flight")
    assert second.headers["Retry-After"] == "1"
    assert answers[0].status_code == 202
    assert ann("POST", "/api/tasks/sum_up", BODY, headers=KEY).json == answers[0].json


def test_a_request_that_died_is_taken_over_under_the_same_id(
    broker_url: str, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "GIVEN_UP", 0.0)

    class Died(BaseException):
        """As a kill would do."""

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "keep", die)
        with pytest.raises(Died):
            ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)
    assert jobs(broker_url) == 1

    answer = ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)

    assert answer.status_code == 202
    assert jobs(broker_url) == 1
    assert ann("GET", answer.headers["Location"]).json["state"] == "queued"


def test_what_is_taken_over_after_its_job_has_ended_does_not_run_again(
    ann: Person, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "GIVEN_UP", 0.0)
    monkeypatch.setattr(idempotency, "keep", lambda *_: None)
    id = ann("POST", "/api/tasks/sum_up", BODY, headers=KEY).json["id"]
    hand.end(hand.start(), result=3)

    answer = ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)

    assert answer.json["id"] == id
    assert hand.take() == []
    assert ann("GET", f"/api/jobs/{id}").json["result"] == 3


def test_one_that_was_frozen_and_taken_over_submits_nothing_when_it_thaws(
    app: Flask, ann: Person, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had reserved the key; meanwhile another took over, and the job has even ended."""
    monkeypatch.setattr(idempotency, "GIVEN_UP", 0.0)
    send, frozen = Sender.__call__, threading.Event()
    thaw = threading.Event()

    def freeze_once(self: Sender, *args: Any, **options: Any) -> str:
        if not frozen.is_set():
            frozen.set()
            assert thaw.wait(60)
        return send(self, *args, **options)

    monkeypatch.setattr(Sender, "__call__", freeze_once)
    headers = {**KEY, "Authorization": f"Bearer {ann.token}"}
    first = threading.Thread(target=lambda: app.test_client().post("/api/tasks/sum_up", json=BODY, headers=headers))
    first.start()
    assert frozen.wait(60)
    ann("POST", "/api/tasks/sum_up", BODY, headers=KEY)
    hand.end(hand.start(), result=3)
    thaw.set()
    first.join(60)

    assert hand.take() == []


def test_a_retry_with_a_key_happens_once(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    hand.end(hand.start(), Move.FAIL, error="no")

    first = ann("POST", f"/api/jobs/{id}/retry", headers=KEY)
    hand.end(hand.start(), Move.FAIL, error="no")
    second = ann("POST", f"/api/jobs/{id}/retry", headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json == second.json
    assert ann("GET", f"/api/jobs/{id}").json["state"] == "failed"


def submit_fifty(app: Flask, token: str) -> list[Any]:
    """Send fifty equal requests at once, each again until it is accepted; return the accepted answers."""
    accepted: list[Any] = []
    together = threading.Barrier(50)
    until = time.monotonic() + 60

    def submit() -> None:
        client = app.test_client()
        together.wait(60)
        while time.monotonic() < until:
            answer = client.post("/api/tasks/sum_up", json=BODY, headers={**KEY, "Authorization": f"Bearer {token}"})
            assert answer.status_code in (202, 409, 503), answer.text
            if answer.status_code == 202:
                accepted.append(answer)
                return
            threading.Event().wait(0.05)

    threads = [threading.Thread(target=submit) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return accepted


def test_fifty_equal_submits_at_once_make_one_job(broker_url: str) -> None:
    app = make_app(broker_url, CELERIAC_RATE_LIMIT=0)
    ann = Person(app, "ann", "submit", "read")

    answers = submit_fifty(app, ann.token)

    assert Counter(answer.json["id"] for answer in answers).most_common() == [(answers[0].json["id"], 50)]
    assert jobs(broker_url) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_fifty_equal_submits_make_one_job_though_redis_restarts_meanwhile(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis goes away when the key is reserved and the job is not queued yet."""
    server = Valkey(tmp_path / "valkey", config=["appendfsync always"]).start()
    try:
        app = make_app(server.url, CELERIAC_RATE_LIMIT=0)
        ann = Person(app, "ann", "submit", "read")
        send, once = Sender.__call__, threading.Lock()

        def send_into_a_restart(self: Sender, *args: Any, **options: Any) -> str:
            if once.acquire(blocking=False):
                getattr(server, how)()
                with pytest.raises(BrokerUnavailable):
                    send(self, *args, **options)
                server.start()
                raise BrokerUnavailable("Redis was away.")
            return send(self, *args, **options)

        monkeypatch.setattr(Sender, "__call__", send_into_a_restart)
        answers = submit_fifty(app, ann.token)

        assert len(answers) == 50
        assert len({answer.json["id"] for answer in answers}) == 1
        assert jobs(server.url) == 1
        with Redis.from_url(server.url) as redis:
            assert redis.llen("celery") == 1
    finally:
        server.kill()
