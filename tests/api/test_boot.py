"""Production refuses to start with everything that is wrong, named at once; `gunicorn run:app` is how it is started."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend import create_app
from celeriac.auth.caller import Scope
from celeriac.auth.token import issue
from celeriac.stack.valkey import Valkey
from tests.api.served import SECRET_KEY, token
from tests.article.running import Program, Web, eventually, free_port

pytestmark = pytest.mark.slow

GOOD = {"SECRET_KEY": SECRET_KEY}


def gunicorn(tmp_path: Path, broker_url: str, env: dict[str, str]) -> tuple[Program, Web]:
    port = free_port()
    command = ["gunicorn", "run:app", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    return Program(command, tmp_path / "web.log", {"BROKER_URL": broker_url, **env}), Web(port)


def refuses(program: Program) -> str:
    """Return what it said when it refused to start."""
    code = eventually(program.process.poll, "the end of Gunicorn")
    assert code != 0
    return program.output


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, ["SECRET_KEY is not set", "There is no API token"]),
        ({"SECRET_KEY": "short"}, ["SECRET_KEY is too short", "There is no API token"]),
        ({"SECRET_KEY": "mysecret", "FLASK_DEBUG": "1"}, ["everybody knows", "Debug is on", "There is no API token"]),
        ({**GOOD, "FLASK_DEBUG": "1"}, ["Debug is on", "There is no API token"]),
        (GOOD, ["There is no API token"]),
    ],
)
def test_each_finding_is_named_with_its_remedy(
    tmp_path: Path, broker_url: str, env: dict[str, str], words: list[str]
) -> None:
    program, web = gunicorn(tmp_path, broker_url, env)
    try:
        said = refuses(program)
    finally:
        program.stop()

    for word in words:
        assert word in said
    assert "CELERIAC_LOCAL=1" in said
    assert not web.answers("/healthz")


def test_an_evicting_redis_is_refused(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", config=["maxmemory-policy allkeys-lru"]).start()
    token(create_app(BROKER_URL=server.url), "me", "admin")
    program, _ = gunicorn(tmp_path, server.url, GOOD)
    try:
        assert "maxmemory-policy allkeys-lru" in refuses(program)
    finally:
        program.stop()
        server.stop()


def test_what_is_fit_starts_closed_and_opens_for_its_token(tmp_path: Path, broker_url: str) -> None:
    text = token(create_app(BROKER_URL=broker_url), "me", "submit", "read")
    program, web = gunicorn(tmp_path, broker_url, GOOD)
    try:
        eventually(lambda: web.answers("/healthz"), "an answer of Gunicorn")
        mine = {"Authorization": f"Bearer {text}"}
        for path, body in (
            ("/api/tasks/add", {"x": 1, "y": 2}),
            ("/add", {"x": 1, "y": 2}),
            ("/longtask", {"steps": 1}),
        ):
            assert web("POST", path, body).status == 401
            assert web("POST", path, body, headers=mine).status == 202
        assert web("GET", "/longtask?steps=1").status == 401
        assert web("GET", "/longtask?steps=1", headers=mine).status == 405
        assert web("GET", "/api/tasks").status == 401
    finally:
        program.stop()


def test_it_starts_while_redis_is_away_and_answers_503(tmp_path: Path) -> None:
    text, _ = issue("me", frozenset({Scope.READ}), datetime.now(UTC))
    program, web = gunicorn(tmp_path, f"redis://127.0.0.1:{free_port()}/0", GOOD)
    try:
        eventually(lambda: web.answers("/healthz"), "an answer of Gunicorn")
        ready, asked = web("GET", "/readyz"), web("GET", "/api/tasks", headers={"Authorization": f"Bearer {text}"})
    finally:
        program.stop()

    assert (ready.status, asked.status) == (503, 503)
    assert "could be looked at before serving" in program.output


def test_local_development_asks_for_nothing(tmp_path: Path, broker_url: str) -> None:
    program, web = gunicorn(tmp_path, broker_url, {"CELERIAC_LOCAL": "true"})
    try:
        eventually(lambda: web.answers("/healthz"), "an answer of Gunicorn")
        for host in ("127.0.0.1", "localhost", "[::1]"):
            here = {"Host": f"{host}:{web.port}"}
            assert web("POST", "/api/tasks/add", {"x": 1, "y": 2}, headers=here).status == 202
        assert web("POST", "/api/tasks/add", {"x": 1, "y": 2}, headers={"Host": "jobs.example"}).status == 401
    finally:
        program.stop()
