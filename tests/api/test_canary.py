"""A canary in arguments, result, exception and log: it sings for its owner and operators, for nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend import create_app
from tests.api.served import Hand, Person
from tests.api.test_door import at, body_of, routes
from tests.article.running import Program, Web, eventually, free_port

CANARY = "canary-7f3a9b"


@pytest.fixture
def failed(ann: Person, hand: Hand) -> str:
    """A job whose argument, log, error and traceback hold the canary."""
    id = ann.submit("blow_up", password=CANARY)
    token = hand.start()
    line = json.dumps({"t": 1764000000000, "l": "info", "m": f"password={CANARY}"})
    hand.say(token, line)
    said = {"type": "RuntimeError", "message": f"no: {CANARY}", "traceback": f"line 1: password={CANARY!r} {CANARY}"}
    hand.fail(token, said)
    return id


def test_a_canary_reaches_nobody_else(app: Any, ann: Person, bob: Person, stranger: Person, failed: str) -> None:
    secret = ann("POST", "/api/tasks/echo", {"text": CANARY}).json["id"]

    for person in (bob, stranger):
        for method, rule in routes(app):
            for id in (failed, secret):
                answer = person(method, at(rule, id), body_of(rule))
                assert CANARY not in answer.text, (method, rule)
                assert CANARY not in str(answer.headers)


def test_an_owner_sees_the_kind_of_error_and_an_operator_what_it_said(ann: Person, olga: Person, failed: str) -> None:
    to_ann, to_olga = ann("GET", f"/api/jobs/{failed}").json, olga("GET", f"/api/jobs/{failed}").json

    assert to_ann["error"] == {
        "type": "RuntimeError",
        "message": "The job failed with RuntimeError; an operator can see what it said.",
    }
    assert to_olga["error"]["message"] == f"no: {CANARY}"
    assert "password=[hidden]" in to_olga["error"]["traceback"]
    for job in (to_ann, to_olga):
        assert job["arguments"] == {"password": "[hidden]"}


def test_the_articles_status_says_no_more(broker_url: str) -> None:
    app = create_app(BROKER_URL=broker_url)
    ann, olga = Person(app, "ann", "submit", "read"), Person(app, "olga", "operate")
    hand = Hand(app.extensions["celeriac"].context)
    id = ann("POST", "/add", {"x": 1, "y": 2}).json["task_id"]
    hand.take()
    error = RuntimeError(f"no: {CANARY}")
    app.extensions["celery"].backend.mark_as_failure(id, error, traceback=f"line 1: {CANARY}")

    to_ann, to_olga = ann("GET", f"/status/{id}").json, olga("GET", f"/status/{id}").json

    assert to_ann["state"] == to_olga["state"] == "FAILURE"
    assert to_ann["status"] == "The job failed with RuntimeError; an operator can see what it said."
    assert to_olga["status"] == f"no: {CANARY}"
    assert Person(app, "bob", "read")("GET", f"/status/{id}").status_code == 404


def test_a_link_shows_neither_arguments_nor_owner(ann: Person, stranger: Person) -> None:
    id = ann.submit("echo", text=CANARY)
    key = ann("POST", f"/api/jobs/{id}/links").json["key"]

    assert CANARY not in stranger("GET", f"/api/jobs/{id}?key={key}").text


def test_a_refusal_does_not_repeat_what_was_sent(ann: Person) -> None:
    for path, body in (
        ("/api/tasks/order", {"item": "x", "to": {"street": CANARY, "zip": CANARY}, "size": CANARY, "on": CANARY}),
        ("/api/tasks/sum_up", {"numbers": [CANARY]}),
        ("/api/jobs", {"task": "sum_up", "arguments": {"numbers": CANARY}, "delay": CANARY, "queue": f"{CANARY} "}),
    ):
        answer = ann("POST", path, body)
        assert answer.status_code == 422
        assert CANARY not in answer.text
    assert CANARY not in ann("POST", "/api/session", {"token": CANARY}).text


@pytest.mark.slow
def test_the_web_log_never_hears_it(broker_url: str, tmp_path: Path) -> None:
    port = free_port()
    command = ["gunicorn", "run:app", "--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "4",
               "--no-control-socket", "--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(s)s",
               "--log-level", "debug"]  # fmt: skip
    env = {"BROKER_URL": broker_url, "CELERIAC_LOCAL": "1"}
    program = Program(command, tmp_path / "web.log", env)
    web = Web(port)
    try:
        eventually(lambda: web.answers("/healthz"), "an answer of Gunicorn")
        token = {"Authorization": f"Bearer {CANARY}"}
        assert web("POST", "/api/tasks/long_task", {"steps": CANARY}).status == 422
        assert web("POST", "/api/tasks/add", {"x": 1, "y": 2}, headers=token).status == 401
        assert web("GET", f"/api/jobs/x?key={CANARY}").status == 401
        assert web("POST", "/api/session", {"token": CANARY}).status == 401
        assert (
            web("POST", "/api/tasks/add", raw=CANARY.encode(), headers={"Content-Type": "application/json"}).status
            == 400
        )
    finally:
        program.stop()

    assert "POST /api/session 401" in program.output
    assert CANARY not in program.output
