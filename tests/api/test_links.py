"""Signed links and sessions open what they say, for as long as they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask

from celeriac.auth import link
from celeriac.auth.caller import scopes_of
from tests.api.served import SECRET_KEY, Person, make_app

Values = dict[str, str]


#: Routes that anybody may ask, each with its reason.
def test_a_link_opens_one_job_and_grants_what_it_says(ann: Person, stranger: Person) -> None:
    id, other = ann.submit(), ann.submit()
    watch = ann("POST", f"/api/jobs/{id}/links").json
    cancel = ann("POST", f"/api/jobs/{id}/links", {"grant": "cancel", "seconds": 60}).json

    shown = stranger("GET", f"/api/jobs/{id}?key={watch['key']}")
    assert watch["url"].endswith(f"/api/jobs/{id}?key={watch['key']}")
    assert shown.status_code == 200
    assert (shown.json["arguments"], shown.json["owner"]) == (None, None)
    assert stranger("GET", f"/api/jobs/{other}?key={watch['key']}").status_code == 401
    assert stranger("POST", f"/api/jobs/{id}/cancel?key={watch['key']}").status_code == 403
    assert stranger("GET", f"/api/jobs/{id}/logs?key={watch['key']}").status_code == 200
    for method, path in (("DELETE", ""), ("POST", "/retry"), ("POST", "/links")):
        assert stranger(method, f"/api/jobs/{id}{path}?key={cancel['key']}").status_code == 401
    assert stranger("GET", f"/api/tasks?key={cancel['key']}").status_code == 401
    assert stranger("POST", f"/api/jobs/{id}/cancel?key={cancel['key']}").json["state"] == "cancelled"


def test_a_link_that_was_bent_or_is_over_opens_nothing(ann: Person, stranger: Person) -> None:
    id = ann.submit()
    good = ann("POST", f"/api/jobs/{id}/links").json["key"]
    over = link.sign(SECRET_KEY, id, link.Grant.WATCH, datetime.now(UTC) - timedelta(seconds=1))
    for key in (
        over,
        "c" + good[1:],
        good[:-1],
        "x",
        link.sign("another", id, link.Grant.WATCH, datetime.max.replace(tzinfo=UTC)),
    ):
        assert stranger("GET", f"/api/jobs/{id}?key={key}").status_code == 401


def test_a_secret_that_everybody_knows_signs_nothing(broker_url: str) -> None:
    app = make_app(broker_url)
    app.secret_key = "mysecret"
    ann, stranger = Person(app, "ann", "submit", "read"), Person(app, "")
    id = ann.submit()
    forged = link.sign("mysecret", id, link.Grant.WATCH, datetime.now(UTC) + timedelta(hours=1))

    assert stranger("GET", f"/api/jobs/{id}?key={forged}").status_code == 401
    assert ann("POST", f"/api/jobs/{id}/links").status_code == 409
    assert stranger("POST", "/api/session", {"token": ann.token}).status_code == 409


def test_signing_in_sets_a_cookie_that_opens_the_door(app: Flask, ann: Person) -> None:
    browser = Person(app, "")
    signed_in = browser("POST", "/api/session", {"token": ann.token}, base_url="https://jobs.example")
    cookie = signed_in.headers["Set-Cookie"]

    assert signed_in.status_code == 201
    for word in ("Secure", "HttpOnly", "SameSite=Lax"):
        assert word in cookie
    assert ann.token not in cookie
    here = {"base_url": "https://jobs.example"}
    assert browser("GET", "/api/session", **here).json == {
        "owner": "ann",
        "way": "session",
        "scopes": ["submit", "read"],
    }
    evil = {"Sec-Fetch-Site": "cross-site"}
    assert browser("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers=evil, **here).status_code == 403
    assert browser("POST", "/api/tasks/sum_up", {"numbers": [1]}, **here).status_code == 202
    assert browser("DELETE", "/api/session", **here).status_code == 204
    assert browser("GET", "/api/session", **here).status_code == 401


def test_a_session_ends_with_its_token_and_cannot_be_made_up(app: Flask, ann: Person) -> None:
    browser, here = Person(app, ""), {"base_url": "https://jobs.example"}
    tokens = app.extensions["celeriac"].api.tokens
    text, token = tokens.create("tim", scopes_of(["read"]))
    assert browser("POST", "/api/session", {"token": "clr_x"}, **here).status_code == 401
    assert (
        browser("POST", "/api/session", {"token": text}, headers={"Origin": "https://evil.example"}, **here).status_code
        == 403
    )
    assert browser("POST", "/api/session", {"token": text}, **here).status_code == 201

    tokens.revoke(token.id)

    assert browser("GET", "/api/session", **here).status_code == 401
    browser.client.set_cookie("celeriac_session", "InRpbSI.x.y", domain="jobs.example", secure=True)
    assert browser("GET", "/api/tasks", **here).status_code == 401
