"""The abuse table: whatever is sent, the answer is a 4xx problem, nothing is queued and nobody dies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from celeriac.registry.problem import Problem
from tests.api.served import Hand, Person
from tests.api.test_door import at, routes
from tests.article.running import Program, Web, eventually, free_port

JSON = "application/json"
BODIES: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", JSON, 400),
    "null": (b"null", JSON, 422),
    "a list": (b"[]", JSON, 422),
    "a text": (b'"hi"', JSON, 422),
    "a number": (b"1", JSON, 422),
    "an empty object": (b"{}", JSON, 422),
    "half of it": (b'{"numbers": [1', JSON, 400),
    "NaN": (b'{"numbers": [NaN]}', JSON, 400),
    "infinity": (b'{"numbers": [-Infinity]}', JSON, 400),
    "1e400": (b'{"numbers": [1e400]}', JSON, 422),
    "5000 digits": (b'{"numbers": [' + b"9" * 5000 + b"]}", JSON, 400),
    "a lone surrogate": (b'{"text": "\\ud800"}', JSON, 422),
    "a key twice": (b'{"numbers": [1], "numbers": [2]}', JSON, 400),
    "no UTF-8": (b'{"text": "\xff"}', JSON, 400),
    "UTF-16": ('{"numbers": [1]}'.encode("utf-16"), JSON, 400),
    "33 deep": (b'{"numbers":' + b"[" * 33 + b"]" * 33 + b"}", JSON, 400),
    "500 deep": (b"[" * 500 + b"]" * 500, JSON, 400),
    "100,000 deep": (b"[" * 100_000, JSON, 400),
    "100,000 objects deep": (b'{"a":' * 40_000, JSON, 400),
    "1 MB": (b'{"text": "' + b"x" * 1_000_000 + b'"}', JSON, 413),
    "50 MB": (b'{"text": "' + b"x" * 50_000_000 + b'"}', JSON, 413),
    "an unknown argument": (b'{"numbers": [1], "__class__": "x"}', JSON, 422),
    "no content type": (b'{"numbers": [1]}', "", 415),
    "a form": (b"numbers=1", "application/x-www-form-urlencoded", 415),
    "plain text": (b'{"numbers": [1]}', "text/plain", 415),
    "pickle": (b"\x80\x04}\x94.", "application/x-python-serialize", 415),
    "XML": (b"<numbers/>", "application/xml", 415),
}


def is_a_problem(answer: Any) -> bool:
    Problem.model_validate(json.loads(answer.get_data()))
    return bool(answer.mimetype == "application/problem+json" and answer.json["status"] == answer.status_code)


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", ["/api/tasks/sum_up", "/api/jobs"])
def test_a_bad_body_is_a_4xx_problem_and_queues_nothing(ann: Person, hand: Hand, case: str, path: str) -> None:
    body, kind, status = BODIES[case]

    answer = ann("POST", path, data=body, content_type=kind or None)

    assert answer.status_code == status
    assert is_a_problem(answer)
    assert len(answer.get_data()) < 10_000
    assert hand.client.dbsize() == dbsize_of_a_refusal(hand)


def dbsize_of_a_refusal(hand: Hand) -> int:
    """Return how many keys there are when nothing was queued: the token, the list of tokens, the caller's rate."""
    keys = hand.client.keys("*")
    assert {key.decode().split(":")[1] for key in keys} <= {"token", "tokens", "rate"}, keys
    return len(keys)


@pytest.mark.parametrize("path", ["/api/jobs/x/retry", "/api/jobs/x/links"])
def test_a_body_that_may_be_absent_is_checked_when_it_is_there(ann: Person, path: str) -> None:
    path = path.replace("/x/", f"/{ann.submit()}/")
    for case in ("null", "a list", "half of it", "no content type", "1 MB", "100,000 deep", "an unknown argument"):
        body, kind, status = BODIES[case]
        answer = ann("POST", path, data=body, content_type=kind or None)
        assert (answer.status_code, is_a_problem(answer)) == (status, True), case


def test_get_and_head_on_every_route_start_nothing(app: Flask, ann: Person, olga: Person, hand: Hand) -> None:
    id = ann.submit()
    before = hand.client.hgetall(f"{hand.space.keys}job:{id}")

    for rule in {rule for _, rule in routes(app)}:
        for method in ("GET", "HEAD"):
            answer = olga(method, at(rule, id))
            assert answer.status_code < 500, rule
            if answer.status_code == 405:
                assert method not in answer.headers["Allow"]

    assert hand.client.hgetall(f"{hand.space.keys}job:{id}") == before
    assert hand.client.llen("celery") == 1
    assert not hand.client.exists(f"{hand.space.keys}paused")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "QUERY", "FOO", "DELETE"])
def test_a_method_that_a_path_does_not_have_is_405_with_those_it_has(ann: Person, method: str) -> None:
    answer = ann(method, "/api/tasks/sum_up", {"numbers": [1]})

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert is_a_problem(answer)
    assert ann(method, "/healthz").status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/nowhere", "/api/tasks/", "/api/jobs/a/b", "/api/jobs/", "/api/%00", "/api/jobs:delete"],
)
def test_a_path_that_is_none_is_a_404_problem(ann: Person, path: str) -> None:
    for method in ("GET", "POST"):
        answer = ann(method, path)
        assert answer.status_code == 404
        assert is_a_problem(answer)


@pytest.mark.parametrize("id", ["x" * 5000, "%00", "..%2f..", "%ff%fe", "💥", "a b", "%0a", "*", "celery"])
def test_a_strange_id_is_a_job_that_never_was(ann: Person, id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/logs")):
        answer = ann(method, f"/api/jobs/{id}{path}")
        assert answer.status_code == 404
        assert len(answer.get_data()) < 20_000


@pytest.mark.parametrize(
    "query", ["page_size=0", "page_size=x", "page_size=501", "page_token=x", "page_token=1", "page_size="]
)
def test_a_bad_query_is_400(olga: Person, query: str) -> None:
    assert olga("GET", f"/api/dead?{query}").status_code == 400


@pytest.mark.parametrize(
    "prefer", ["wait=x", "wait=-1", "wait", "wait=", "respond-async", "wait=1e9", ";;;,,,", "wait=0"]
)
def test_a_preference_that_makes_no_sense_is_not_honoured(ann: Person, prefer: str) -> None:
    answer = ann("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers={"Prefer": prefer})

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize("key", ["x" * 256, "a b", "é", ""])
def test_an_idempotency_key_that_is_none_is_400(ann: Person, key: str) -> None:
    answer = ann(
        "POST",
        "/api/tasks/sum_up",
        {"numbers": [1]},
        headers={"Idempotency-Key": key.encode("latin-1").decode("latin-1")},
    )

    assert answer.status_code == 400


def test_what_goes_wrong_unforeseen_is_a_problem_that_tells_nothing(
    app: Flask, ann: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("inner-detail")

    monkeypatch.setattr("celeriac.store.workers.list_workers", explode)
    answer = Person(app, "olga", "operate")("GET", "/api/workers", headers={"X-Request-ID": "r-1"})

    assert answer.status_code == 500
    assert is_a_problem(answer)
    assert "inner-detail" not in answer.text
    assert (answer.json["request_id"], "r-1" in caplog.text) == ("r-1", True)


def test_every_answer_says_what_browsers_must_not_do_with_it(ann: Person) -> None:
    for answer in (
        ann("GET", "/api/tasks"),
        ann("GET", "/api/nowhere"),
        ann("GET", "/healthz"),
        ann("PUT", "/api/jobs"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Strict-Transport-Security" not in answer.headers
    secure = ann("GET", "/api/tasks", base_url="https://jobs.example")
    assert "max-age" in secure.headers["Strict-Transport-Security"]
    assert secure.headers["Cache-Control"] == "private, no-cache"
    assert ann("GET", "/api/session").headers["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_nothing_of_the_table_reaches_a_real_server_or_its_worker(broker_url: str, tmp_path: Path) -> None:
    """Over sockets, 50 MB included: the sender hears the answer, the worker's processes are the same afterwards."""
    port, env = free_port(), {"BROKER_URL": broker_url, "CELERIAC_LOCAL": "1"}
    command = ["gunicorn", "run:app", "--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "4",
               "--no-control-socket"]  # fmt: skip
    program, web = Program(command, tmp_path / "web.log", env), Web(port)
    worker = Program(["./celery_worker.sh", "-c", "2", "-n", "abused@test"], tmp_path / "worker.log", env)
    try:
        eventually(lambda: web.answers("/healthz"), "an answer of Gunicorn")
        worker.says("abused@test ready")
        before = (children(program.process.pid), children(worker.process.pid))
        for body, kind, status in BODIES.values():
            headers = {"Content-Type": kind} if kind else {}
            for path in ("/api/tasks/add", "/add"):
                answer = web("POST", path, raw=body, headers=headers)
                assert answer.status == status or (path, answer.status) == ("/add", 400), (path, body[:40])
                assert answer.headers["Content-Type"] == "application/problem+json"
        with Redis.from_url(broker_url) as redis:
            assert redis.keys("celeriac:job:*") == []
        good = web("POST", "/api/tasks/add", {"x": 1, "y": 2}, headers={"Prefer": "wait=60"})
        assert (good.status, good.json["result"]) == (200, 3)
        assert (children(program.process.pid), children(worker.process.pid)) == before
    finally:
        worker.stop()
        program.stop()


def children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()
