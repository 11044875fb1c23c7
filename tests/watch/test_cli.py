"""`flask jobs watch` and `submit --watch`: what is seen, what is printed, how it ends."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.cli.watch import bar
from celeriac.job import Move
from celeriac.stack.valkey import Valkey
from tests.article.running import eventually
from tests.hand import Hand
from tests.watch.audience import make_app, say


class Command:
    """`flask jobs …` in a thread of its own."""

    def __init__(self, app: Flask, *words: str) -> None:
        self.app, self.words, self.result = app, words, None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.result = self.app.test_cli_runner().invoke(args=["jobs", *self.words])

    def ends(self) -> Any:
        """Wait for its end; return what it printed, and its exit code."""
        self._thread.join(60)
        assert self.result is not None, "it goes on"
        return self.result


def watched(context: Context) -> int:
    """Return how many jobs somebody is subscribed to."""
    return len(context.client.pubsub_channels(f"{context.space.keys}wake:*"))


def running(context: Context, hand: Hand) -> tuple[str, str]:
    id = actions.submit(context, "steered_double", {"n": 21})
    return id, hand.start()


def test_lines_progress_and_the_result_are_shown(app: Flask, context: Context, hand: Hand) -> None:
    id, token = running(context, hand)
    command = Command(app, "watch", id)
    say(hand, token, "Hello", "tab\tand bell\a", percent=50)
    hand.end(token, result=42)

    said = command.ends()
    assert (said.exit_code, said.stdout) == (0, "42\n")
    lines = said.stderr.splitlines()
    assert lines[:2] == ["□ queued", "□ running"]
    assert [line[10:] for line in lines[2:4]] == ["Hello", "tab\\tand bell\\x07"]
    assert lines[4:] == ["□ 50 of 100 (50 %)", f"■ steered_double {id} succeeded"]


@pytest.mark.parametrize(("move", "code", "word"), [(Move.FAIL, 1, "ValueError: no"), (Move.CANCELLED, 6, "cancelled")])
def test_the_exit_code_tells_the_outcome(
    app: Flask, context: Context, hand: Hand, move: Move, code: int, word: str
) -> None:
    id, token = running(context, hand)
    hand.end(token, move, error="no" if move is Move.FAIL else "")

    said = Command(app, "watch", id).ends()
    assert (said.exit_code, said.stdout) == (code, "")
    assert word in said.stderr


def test_a_lost_job_has_a_code_of_its_own_and_an_unknown_one_too(app: Flask, context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    hand.lose_for_good()

    assert Command(app, "watch", id).ends().exit_code == 7
    assert Command(app, "watch", "nonsense").ends().exit_code == 4


def test_programs_get_each_event_as_a_line_of_json(app: Flask, context: Context, hand: Hand) -> None:
    id, token = running(context, hand)
    say(hand, token, "Hello", percent=50)
    hand.end(token, result=42)

    said = Command(app, "watch", id, "--json").ends()
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert [(event["id"], event["event"]) for event in events] == [
        ("1", "state"), ("2", "state"), ("3", "log"), ("4", "progress"), ("5", "end"),
    ]  # fmt: skip
    assert events[3]["data"]["percent"] == 50.0


def test_a_job_is_submitted_and_watched(app: Flask, hand: Hand) -> None:
    command = Command(app, "submit", "steered_double", "n=21", "--watch")
    token = eventually(hand.take, "the job")[0].token
    hand.end(token, result=42)

    said = command.ends()
    assert (said.exit_code, said.stdout) == (0, "42\n")


def test_what_is_not_kept_any_more_is_said(app: Flask, context: Context, hand: Hand) -> None:
    id, token = running(context, hand)
    say(hand, token, *map(str, range(50)), cap=5, percent=10)
    hand.end(token)

    said = Command(app, "watch", id).ends().stderr
    assert "not kept any more" in said
    assert [line[10:] for line in said.splitlines()[1:6]] == ["45", "46", "47", "48", "49"]


def test_a_bar_tells_rate_and_time_left() -> None:
    half: dict[str, Any] = {"current": 50, "total": 100, "percent": 50.0, "message": "halfway"}

    assert bar(half, "50 of 100", 10.0) == "■" * 12 + "□" * 12 + "  50 of 100  5.0/s  10.0 s left"
    assert bar(half | {"current": 1, "total": 4, "percent": 25.0}, "1 of 4", 120.0).endswith(
        "2 min 0 s each  6 min 0 s left"
    )
    assert bar(half | {"current": 0, "percent": 0.0}, "", 1.0).startswith("□")
    assert bar({"current": "many", "total": None, "percent": None, "message": None}, "many", 1.0) == "many"


@pytest.mark.slow
def test_it_waits_for_a_redis_that_is_restarted(tmp_path: Path) -> None:
    redis = Valkey(tmp_path / "redis").start()
    app = make_app(redis.url)
    context = app.extensions["celeriac"].context
    hand = Hand(context)
    id, token = running(context, hand)
    say(hand, token, "before")
    command = Command(app, "watch", id)
    eventually(lambda: watched(context), "somebody who watches")
    redis.stop()
    redis.start()
    say(hand, token, "after")
    hand.end(token, result=42)

    said = command.ends()
    redis.stop()
    assert said.exit_code == 0
    lines = [line[10:] for line in said.stderr.splitlines()]
    assert [line for line in lines if line in ("before", "after")] == ["before", "after"]
