"""`flask jobs doctor` finds what keeps jobs from running, and says what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac import actions, history
from celeriac.stack.valkey import Valkey, free_port
from tests.cli.conftest import Run, Said, runner
from tests.hand import Hand
from tests.steering.steered import make_app

QUEUES = ("celery", "letters")


@pytest.fixture
def settings(broker_url: str) -> dict[str, Any]:
    """Settings of local development in which nothing is wrong."""
    return {
        "broker_url": broker_url,
        "CELERIAC_LOCAL": True,
        "CELERIAC_HISTORY": False,
        "CELERIAC_PORT": free_port(),
        "CELERIAC_FLOWER_PORT": free_port(),
    }


@pytest.fixture
def app(settings: dict[str, Any]) -> Flask:
    return make_app(**settings)


def look(said: Said, name: str) -> list[dict[str, str]]:
    """Return what was said about one thing; it must be told in words as it is in JSON."""
    return [one for one in said.json["looks"] if one["name"] == name]


def test_where_all_is_well_every_line_says_so(run: Run, hand: Hand) -> None:
    hand.listen(*QUEUES)

    said, lines = run("doctor", "--json"), run("doctor").out.splitlines()[1:]

    assert (said.code, said.json["well"]) == (0, True)
    assert {one["verdict"] for one in said.json["looks"]} == {"ok"}
    assert len(lines) == len(said.json["looks"])
    assert lines[0].startswith("ok  versions")
    assert [line.split("  ")[1] for line in lines if "queue" in line] == [f"queue {name}" for name in QUEUES]


def test_a_queue_where_nobody_listens_is_an_error_once_jobs_wait(run: Run, context: actions.Context) -> None:
    before = run("doctor", "--json")
    actions.submit(context, "steered_greet", {"name": "Ada"})
    after = run("doctor", "--json")

    assert (before.code, after.code) == (0, 1)
    assert "(of steered_" in look(before, "queue celery")[0]["message"]
    [quiet], [waiting] = look(before, "queue letters"), look(after, "queue letters")
    assert (quiet["verdict"], waiting["verdict"]) == ("warning", "error")
    assert waiting["message"] == "Nobody is listening (of steered_greet); 1 job waits."
    assert "`-Q letters`" in waiting["remedy"]


def test_paused_queues_and_dead_letters_are_warnings(run: Run, context: actions.Context, hand: Hand) -> None:
    hand.listen(*QUEUES)
    actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()
    actions.pause(context, "letters")

    said = run("doctor", "--json")

    assert said.code == 0
    assert look(said, "queue letters")[0]["remedy"] == "`flask jobs queue resume letters`."
    assert look(said, "dead")[0]["message"] == "1 job could not be run."


def test_a_redis_that_is_away_is_one_error(settings: dict[str, Any]) -> None:
    run = runner(make_app(**settings | {"broker_url": "redis://me:secret@127.0.0.1:1/7"}))

    said = run("doctor", "--json")

    assert (said.code, said.json["well"]) == (1, False)
    [redis] = look(said, "redis")
    assert "127.0.0.1:1/7" in redis["remedy"]
    assert "secret" not in said.out + run("doctor").out


def test_a_redis_that_would_lose_jobs_is_an_error(settings: dict[str, Any], tmp_path: Path) -> None:
    server = Valkey(tmp_path, config=["maxmemory-policy allkeys-lru"]).start()
    try:
        said = runner(make_app(**settings | {"broker_url": server.url}))("doctor", "--json")
    finally:
        server.stop()

    assert said.code == 1
    assert {one["verdict"] for one in look(said, "redis")} == {"ok", "error"}


def test_what_production_would_refuse_is_found_before(settings: dict[str, Any]) -> None:
    said = runner(make_app(**settings | {"CELERIAC_LOCAL": False}))("doctor", "--json")

    assert said.code == 1
    problems = [one["message"] for one in look(said, "settings") if one["verdict"] == "error"]
    assert problems == ["SECRET_KEY is not set.", "There is no API token, so nobody could come in."]


@pytest.fixture
def stranger(settings: dict[str, Any]) -> Iterator[None]:
    """Somebody who listens on the web's port, and hangs up."""
    with socket.create_server(("127.0.0.1", settings["CELERIAC_PORT"])) as server:
        server.settimeout(0)
        yield


@pytest.mark.usefixtures("stranger")
def test_a_port_that_a_stranger_holds_is_a_warning(run: Run, settings: dict[str, Any]) -> None:
    [port] = look(run("doctor", "--json"), f"port {settings['CELERIAC_PORT']}")

    assert (port["verdict"], port["remedy"]) == ("warning", "`up --port N`.")


def test_the_history_says_whether_somebody_copies(settings: dict[str, Any], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    app = make_app(**settings | {"CELERIAC_HISTORY": True, "DATABASE_URL": url})
    run = runner(app)

    new = look(run("doctor", "--json"), "history")
    history.of(app).upgrade()
    quiet = look(run("doctor", "--json"), "history")

    assert [one["verdict"] for one in new] == ["hint"]
    assert [(one["verdict"], one["message"]) for one in quiet] == [("warning", "No process copies the history.")]


def test_a_history_that_cannot_be_opened_is_an_error(settings: dict[str, Any]) -> None:
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/none"
    said = runner(make_app(**settings | {"CELERIAC_HISTORY": True, "DATABASE_URL": url}))("doctor", "--json")

    assert said.code == 1
    assert [one["verdict"] for one in look(said, "history")] == ["error"]
    assert "secret" not in said.out
