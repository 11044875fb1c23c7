"""The end of the grace: whatever happens at it, what was held goes back, and the process ends."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from celeriac.queue.table import Table
from celeriac.worker import stop
from tests.hand import Hand
from tests.steering.steered import make_app


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How this process would have ended."""
    found: list[int] = []
    monkeypatch.setattr(stop.os, "_exit", found.append)
    monkeypatch.setattr(stop.logging, "shutdown", lambda: None)
    return found


@pytest.fixture
def app(broker_url: str) -> Flask:
    """An app with a job to do."""
    return make_app(broker_url)


@pytest.fixture
def table(context: Context, hand: Hand) -> Table:
    """The deliveries of this process: one."""
    actions.submit(context, "steered_double", {"n": 1})
    made = Table(context.space, lambda: context.client)
    made.add(delivery.token for delivery in hand.take())
    assert made.tokens()
    return made


def test_a_child_that_died_a_moment_ago_keeps_nothing_from_going_back(
    context: Context, table: Table, monkeypatch: pytest.MonkeyPatch, codes: list[int]
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr(stop, "active_children", lambda: [SimpleNamespace(pid=gone.pid)])

    stop._end(table, None, 0, 0)

    assert context.client.llen("celery") == 1
    assert codes == [0]


def test_a_mistake_on_the_way_is_told_and_the_process_ends_all_the_same(
    table: Table, monkeypatch: pytest.MonkeyPatch, codes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stop, "active_children", lambda: [SimpleNamespace(pid="no number")])

    stop._end(table, None, 0, 1)

    assert "run again when their leases end" in caplog.text
    assert codes == [1]
