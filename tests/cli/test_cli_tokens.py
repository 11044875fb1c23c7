"""`flask jobs token …` and `flask jobs check`."""

from __future__ import annotations

from flask import Flask
from redis import Redis

from tests.cli.conftest import Run


def test_a_token_is_made_shown_once_and_opens_the_door(app: Flask, run: Run, broker_url: str) -> None:
    said = run("token", "create", "--owner", "shop", "--scope", "submit", "--scope", "read", "--name", "the web shop")
    text = said.out.splitlines()[0]

    answer = app.test_client().get("/api/session", headers={"Authorization": f"Bearer {text}"})
    assert answer.json == {"owner": "shop", "way": "token", "scopes": ["submit", "read"]}
    with Redis.from_url(broker_url) as redis:
        kept = b" ".join(value for key in redis.keys("celeriac:token:*") for value in redis.hvals(key))
    assert b"shop" in kept
    assert text.encode() not in kept
    assert text not in run("token", "list").out


def test_tokens_are_listed_for_people_and_for_programs(run: Run) -> None:
    assert "There is no token" in run("token", "list").out
    made = run("token", "create", "--owner", "ann", "--scope", "read", "--days", "1.5", "--json").json

    heads, line = run("token", "list").out.splitlines()
    [listed] = run("token", "list", "--json").json

    assert heads.split()[:3] == ["TOKEN", "OWNER", "SCOPES"]
    assert line.split()[:3] == [made["id"], "ann", "read"]
    assert listed == {key: value for key, value in made.items() if key != "token"}
    assert listed["expires_at"] > listed["created_at"]


def test_a_token_is_rotated_and_revoked(run: Run) -> None:
    old = run("token", "create", "--owner", "ann", "--scope", "read", "--json").json
    new = run("token", "rotate", old["id"], "--hours", "1", "--json").json

    assert (new["owner"], new["scopes"]) == ("ann", ["read"])
    assert {one["id"]: bool(one["expires_at"]) for one in run("token", "list", "--json").json} == {
        old["id"]: True,
        new["id"]: False,
    }
    assert run("token", "revoke", old["id"]).out == f"Token {old['id']} is revoked.\n"
    again = run("token", "revoke", old["id"])
    assert (again.code, "There is no token" in again.err) == (4, True)


def test_what_makes_no_token_is_said(run: Run) -> None:
    assert run("token", "create", "--owner", "ann").code == 2
    assert run("token", "create", "--owner", "ann", "--scope", "all").code == 2
    assert run("token", "create", "--owner", "a b", "--scope", "read").code == 78
    assert run("token", "create", "--owner", "ann", "--scope", "read", "--days", "0").code == 2


def test_check_names_everything_that_production_refuses(app: Flask, run: Run) -> None:
    refused = run("check")

    assert refused.code == 78
    assert "SECRET_KEY is not set" in refused.err
    assert "There is no API token" in refused.err
    app.secret_key = "e8a1c07d5b2f4936a7d0c1b9e4f25873"
    run("token", "create", "--owner", "ann", "--scope", "admin")
    assert run("check").out == "Fit to serve.\n"
