"""`@job(unique=seconds)`: while one waits, and for some seconds, the same arguments are the same job."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery import chain, group
from flask import Flask

from celeriac import Celeriac, job
from celeriac.errors import ConfigError
from celeriac.store import moves
from celeriac.store.moves import Space


@job(unique=60)
def report(month: str, pages: int = 1) -> str:
    """Make a report."""
    return month


@job(unique=0.001)
def brief(x: int) -> int:
    """The same only while it waits."""
    return x


@job(unique=60, bind=True, max_retries=5)
def bound(self: Any, x: int) -> int:
    """A bound one."""
    return x


@job
def free(x: int) -> int:
    """Never the same."""
    return x


@pytest.fixture
def app(broker_url: str) -> Flask:
    flask = Flask("unique")
    flask.config.update(BROKER_URL=broker_url)
    Celeriac(flask)
    return flask


@pytest.fixture
def client(app: Flask) -> Any:
    return app.extensions["celery"].client


def length(client: Any) -> int:
    return int(client.llen("celery"))


def fetch(client: Any) -> list[moves.Delivery]:
    return moves.fetch(client, Space(), 100, [("celery", "celery", True)]).deliveries


def finish(client: Any, delivery: moves.Delivery, move: str = "succeed") -> None:
    id, _, fence = delivery.token.rpartition(":")
    moves.start(client, Space(), delivery.token, "w", 0.0, "")
    moves.finish(client, Space(), moves.Finish(id, moves.Move(move), int(fence), "{}"))


def test_the_same_arguments_are_the_same_job_however_they_are_spelled(app: Flask, client: Any) -> None:
    first = report.delay("may")

    assert report.delay(month="may").id == first.id
    assert report.delay("may", 1).id == first.id
    assert report.apply_async(kwargs={"pages": 1, "month": "may"}, priority=3).id == first.id
    assert app.extensions["celery"].send_task(report.name, ["may"]).id == first.id
    assert app.extensions["celeriac"].context.send(report.name, {"month": "may"}) == first.id
    assert length(client) == 1
    assert report.delay("june").id != first.id
    assert report.delay("may", 2).id != first.id
    assert bound.delay(1).id == bound.delay(x=1).id
    assert free.delay(1).id != free.delay(1).id


def test_it_stays_the_same_while_it_runs_and_when_it_has_succeeded_until_the_time_is_over(
    app: Flask, client: Any
) -> None:
    first = report.delay("may")
    (delivery,) = fetch(client)
    moves.start(client, Space(), delivery.token, "w", 0.0, "")
    assert report.delay("may").id == first.id
    finish(client, delivery)
    assert report.delay("may").id == first.id
    key = next(iter(client.scan_iter("celeriac:unique:*")))
    client.set(key, f"{first.id} 1")  # the time is over
    second = report.delay("may")
    assert second.id != first.id
    assert report.delay("may").id == second.id


@pytest.mark.parametrize("move", ["fail", "cancelled"])
def test_what_failed_or_was_cancelled_may_be_asked_for_again_at_once(app: Flask, client: Any, move: str) -> None:
    first = report.delay("may")
    (delivery,) = fetch(client)
    finish(client, delivery, move)

    assert report.delay("may").id != first.id


def test_after_its_time_it_is_the_same_only_while_it_waits(app: Flask, client: Any) -> None:
    first = brief.apply_async((1,), countdown=3600)
    assert brief.delay(1).id == first.id
    waiting = brief.delay(2)
    assert brief.delay(2).id == waiting.id
    (delivery,) = fetch(client)
    moves.start(client, Space(), delivery.token, "w", 0.0, "")
    assert brief.delay(2).id != waiting.id


def test_of_many_that_ask_at_once_one_is_queued(app: Flask, client: Any) -> None:
    found: list[str] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(report.delay("may").id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1
    assert length(client) == 1


def test_another_owners_job_is_another_job(app: Flask) -> None:
    mine = report.apply_async(("may",), headers={"celeriac_owner": "alice"})

    assert report.apply_async(("may",), headers={"celeriac_owner": "bob"}).id != mine.id
    assert report.apply_async(("may",), headers={"celeriac_owner": "alice"}).id == mine.id


def test_parts_of_a_canvas_are_jobs_of_their_own(app: Flask, client: Any) -> None:
    report.delay("may")
    group(report.s("may"), report.s("may")).apply_async()
    chain(report.s("may"), free.si(1)).apply_async()

    assert length(client) == 4


def test_a_retry_is_not_taken_for_another_one(app: Flask, client: Any) -> None:
    first = report.delay("may")
    (delivery,) = fetch(client)
    moves.start(client, Space(), delivery.token, "w", 0.0, "")
    report.apply_async(("may",), task_id=first.id, retries=1, headers={"celeriac_lease": delivery.token})

    assert length(client) == 1


@pytest.mark.parametrize("seconds", [0, -1, True, "60", 8 * 86400])
def test_a_time_that_makes_no_sense_is_refused(seconds: Any) -> None:
    with pytest.raises(ConfigError, match="unique"):

        @job(unique=seconds)
        def never() -> None:
            """Nothing."""
