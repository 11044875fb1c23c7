"""Who may: closed without a token, each to their own, and no other site acts in a visitor's name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from tests.api.served import Hand, Person, make_app

Values = dict[str, str]
#: Routes that anybody may ask, each with its reason.
PUBLIC = {
    ("GET", "/healthz"): "a load balancer has no token, and it says nothing but that the process lives",
    ("GET", "/readyz"): "the same, and it names no job, task or owner",
    ("POST", "/api/session"): "it is where a token is shown",
    ("GET", "/api/docs/<name>"): "the files of the documentation page, which hold nothing of ours",
    ("GET", "/api/job-progress.js"): "a module for pages, which holds nothing of ours",
    ("GET", "/static/<path:filename>"): "Flask's own, the app's",
    **{
        ("GET", rule): "the console's pages, which hold nothing: they ask the API like any other client"
        for rule in ("/console/", "/console/<path:rest>", "/console/static/<path:filename>")
    },
}


@pytest.fixture
def keeps() -> bool:
    return True


def routes(app: Flask) -> list[tuple[str, str]]:
    """Return every (method, rule) of the app but the ones that say 404 and 405."""
    return [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.methods and not rule.endpoint.endswith(".nowhere")
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def at(rule: str, id: str) -> str:
    return re.sub(
        r"<(?:\w+:)?(\w+)>",
        lambda match: {"task": "sum_up", "name": "celery", "file": "0" * 32}.get(match[1], id),
        rule,
    )


def body_of(rule: str) -> Any:
    bodies: dict[str, Any] = {
        "/api/jobs": {"task": "sum_up", "arguments": {"numbers": [1]}},
        "/api/jobs:cancel": {"all": True},
        "/api/jobs:retry": {"state": ["succeeded"]},
        "/api/tasks/<task>": {"numbers": [1]},
    }
    return bodies.get(rule)


def test_without_a_token_every_route_is_closed_but_the_public_ones(app: Flask, stranger: Person, ann: Person) -> None:
    id = ann.submit()

    for method, rule in routes(app):
        answer = stranger(method, at(rule, id), body_of(rule))
        if (method, rule) in PUBLIC:
            assert answer.status_code != 401 or rule == "/api/session", rule
        else:
            assert answer.status_code == 401, (method, rule)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), rule
    assert ann("GET", f"/api/jobs/{id}").json["state"] == "queued"


def test_another_owners_job_does_not_exist_on_any_route(app: Flask, ann: Person, bob: Person, hand: Hand) -> None:
    """Generated from the URL map: a new route is in it by itself."""
    waiting, ended = ann.submit(), ann.submit()
    hand.take()  # the first one is in somebody's hands, the second has ended
    hand.end(hand.start(), result="secret-of-ann")
    of_a_job = [(method, rule) for method, rule in routes(app) if rule.startswith("/api/jobs/<id>")]
    assert len(of_a_job) >= 7

    for method, rule in of_a_job:
        for id in (waiting, ended):
            mine, unknown = bob(method, at(rule, id)), bob(method, at(rule, "no-such-job"))
            assert mine.status_code == unknown.status_code == 404, (method, rule)
            assert mine.text.replace(id, "no-such-job").replace(mine.json["request_id"], "") == unknown.text.replace(
                unknown.json["request_id"], ""
            ), "it must not be told apart from one that never was"
    for method, rule in routes(app):
        if (method, rule) not in of_a_job and (method, rule) not in PUBLIC:
            answer = bob(method, at(rule, waiting), body_of(rule))
            assert answer.status_code == 403 or waiting not in answer.text, (method, rule)
            assert "secret-of-ann" not in answer.text
    assert ann("GET", f"/api/jobs/{waiting}").json["state"] == "queued"
    assert ann("GET", f"/api/jobs/{ended}").json["result"] == "secret-of-ann"


def test_an_operator_sees_everybodys_jobs_and_those_of_nobody(ann: Person, olga: Person, app: Flask) -> None:
    with app.app_context():
        nobodys = app.extensions["celeriac"].context.send("sum_up", {"numbers": [1]})

    assert olga("GET", f"/api/jobs/{ann.submit()}").json["owner"] == "ann"
    assert olga("GET", f"/api/jobs/{nobodys}").json["owner"] is None
    assert ann("GET", f"/api/jobs/{nobodys}").status_code == 404


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (("read",), "POST", "/api/tasks/sum_up", 403),
        (("read",), "GET", "/api/tasks", 200),
        (("read",), "POST", "/own", 403),
        (("submit",), "POST", "/own", 200),
        (("submit",), "GET", "/api/tasks", 403),
        (("submit", "read"), "GET", "/api/queues", 403),
        (("submit", "read"), "POST", "/api/queues/celery/pause", 403),
        (("submit", "read"), "DELETE", "/api/dead", 403),
        (("submit", "read"), "GET", "/metrics", 403),
        (("operate",), "GET", "/api/queues", 200),
        (("operate",), "GET", "/api/workers", 200),
        (("operate",), "GET", "/metrics", 200),
        (("admin",), "DELETE", "/api/dead", 200),
    ],
)
def test_each_scope_opens_what_it_says(
    app: Flask, scopes: tuple[str, ...], method: str, path: str, status: int
) -> None:
    answer = Person(app, "kim", *scopes)(method, path, {"numbers": [1]} if path.startswith("/api/tasks/") else None)

    assert answer.status_code == status
    if status == 403:
        assert answer.json["type"] == "urn:celeriac:problem:forbidden"


@pytest.mark.parametrize(
    "header", ["Bearer x", "Bearer clr_0000000000_" + "0" * 38, "Basic eDp5", "Bearer", "bearer  "]
)
def test_a_wrong_token_is_refused_and_says_so(stranger: Person, header: str) -> None:
    answer = stranger("GET", "/api/tasks", headers={"Authorization": header})

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_wrong_token_is_refused_even_where_none_was_needed(me: Person) -> None:
    assert me("GET", "/api/tasks").status_code == 200
    assert me("GET", "/api/tasks", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize(
    "call",
    [
        {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
        {"headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"headers": {"Forwarded": "for=192.0.2.7"}},
        {"base_url": "http://jobs.example"},
        {"base_url": "http://localhost.jobs.example"},
    ],
)
def test_local_development_is_open_to_this_machine_alone(me: Person, call: dict[str, Any]) -> None:
    assert me("GET", "/api/tasks").status_code == 200
    assert me("GET", "/api/tasks", environ_base={"REMOTE_ADDR": "::1"}, base_url="http://[::1]:5000").status_code == 200
    assert me("GET", "/api/tasks", **call).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({"Origin": "http://localhost"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
    ],
)
def test_another_sites_page_cannot_act_in_a_visitors_name(me: Person, headers: Values, status: int) -> None:
    answer = me("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers=headers)

    assert answer.status_code == status


def test_a_site_that_is_trusted_may_act(broker_url: str) -> None:
    me = Person(make_app(broker_url, CELERIAC_LOCAL=True, CELERIAC_ORIGINS="https://a.example https://b.example"), "")

    for origin, status in (("https://b.example", 202), ("https://c.example", 403)):
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        assert me("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers=headers).status_code == status


def test_a_trusted_sites_page_may_ask_with_a_token_and_read_the_answer(broker_url: str) -> None:
    app = make_app(broker_url, CELERIAC_ORIGINS="https://a.example")
    ann = Person(app, "ann", "submit", "read")
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

    may = ann("OPTIONS", "/api/tasks/sum_up", headers={"Origin": "https://a.example", **asks})
    did = ann("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers={"Origin": "https://a.example"})
    other = ann("GET", "/api/tasks", headers={"Origin": "https://b.example"})
    wrong = ann("GET", "/api/tasks/none", headers={"Origin": "https://a.example"})

    assert may.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert {"authorization", "content-type"} <= set(may.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert (did.status_code, did.headers["Access-Control-Allow-Origin"]) == (202, "https://a.example")
    assert "Location" in did.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in did.headers
    assert (wrong.status_code, wrong.headers["Access-Control-Allow-Origin"]) == (404, "https://a.example")
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in other.headers["Vary"]


def test_without_trusted_sites_there_is_nothing_of_cors(ann: Person) -> None:
    answer = ann("GET", "/api/tasks", headers={"Origin": "https://a.example"})

    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_who_asks_too_often_is_told_when_to_come_back(broker_url: str) -> None:
    app = make_app(broker_url, CELERIAC_RATE_LIMIT=3)
    ann, bob = Person(app, "ann", "submit", "read"), Person(app, "bob", "submit", "read")

    statuses = [ann("POST", "/api/tasks/sum_up", {"numbers": [1]}).status_code for _ in range(5)]
    refused = ann("POST", "/api/tasks/sum_up", {"numbers": [1]})

    assert statuses == [202, 202, 202, 429, 429]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json["type"] == "urn:celeriac:problem:rate-limited"
    assert ann("GET", "/api/tasks").status_code == 200
    assert bob("POST", "/api/tasks/sum_up", {"numbers": [1]}).status_code == 202


def test_a_view_of_ones_own_submits_for_its_caller(ann: Person, bob: Person, stranger: Person) -> None:
    id = ann("POST", "/own").json["id"]

    assert ann("GET", f"/api/jobs/{id}").json["owner"] == "ann"
    assert bob("GET", f"/api/jobs/{id}").status_code == 404
    assert stranger("POST", "/own").status_code == 401


def test_what_a_job_submits_belongs_to_its_owner(ann: Person, hand: Hand) -> None:
    ann.submit()
    [delivery] = hand.take()

    assert json.loads(delivery.raw)["headers"]["celeriac_owner"] == "ann"
