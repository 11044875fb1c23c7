"""Many jobs with one call: each is queued as `delay` would, or not, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, signals
from flask import Flask

from celeriac import Celeriac, job
from celeriac.errors import BrokerUnavailable, InvalidArguments, QueueFull
from celeriac.stack.valkey import Valkey


@job(name="add_up")
def add_up(x: Any, y: Any = 2) -> Any:
    """Add."""
    return x + y


@job(name="add_once", unique=60)
def add_once(x: int) -> int:
    """Add, once."""
    return x


def celery_of(url: str, **config: Any) -> Celery:
    flask = Flask("many")
    flask.config.update(BROKER_URL=url, RESULT_BACKEND=url, **config)
    Celeriac(flask)
    celery: Celery = flask.extensions["celery"]
    celery.finalize()
    return celery


@pytest.fixture
def app(broker_url: str) -> Iterator[Celery]:
    celery = celery_of(broker_url)
    yield celery
    celery.close()


@pytest.fixture
def client(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def raws(client: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in reversed(client.lrange("celery", 0, -1))]


def test_each_is_the_message_that_delay_makes(app: Celery, client: redis.Redis) -> None:
    task: Any = app.tasks["add_up"]
    items = [(1,), {"x": "text", "y": [None]}, (3, {"a": 1.5})]
    ids = task.submit_many(items)
    for given in items:
        task.apply_async(kwargs=given) if isinstance(given, dict) else task.apply_async(given)
    many, single = raws(client)[:3], raws(client)[3:]
    assert [message["headers"]["id"] for message in many] == ids
    for one, other in zip(many, single, strict=True):
        id = other["headers"]["id"]
        record = client.hgetall(f"celeriac:job:{one['headers']['id']}")
        assert record[b"state"] == b"queued"
        assert set(record) == set(client.hgetall(f"celeriac:job:{id}"))
        one["properties"].pop("delivery_tag"), other["properties"].pop("delivery_tag")
        assert json.dumps(one).replace(one["headers"]["id"], "ID") == json.dumps(other).replace(id, "ID")


def test_more_than_a_batch_come_in_their_order_and_signals_with_them(app: Celery, client: redis.Redis) -> None:
    heard = []

    def after(sender: str, headers: dict[str, Any], **_: Any) -> None:
        heard.append(headers["id"])

    signals.after_task_publish.connect(after)
    task: Any = app.tasks["add_up"]
    ids = task.submit_many(((i,) for i in range(1203)), countdown=None, queue="celery")
    signals.after_task_publish.disconnect(after)
    assert len(set(ids)) == 1203
    assert heard == ids
    assert [message["headers"]["argsrepr"] for message in raws(client)] == [f"({i},)" for i in range(1203)]


def test_what_does_not_fit_is_said_in_its_place(app: Celery, client: redis.Redis) -> None:
    task: Any = app.tasks["add_up"]
    first, unknown, missing, foreign, last = task.submit_many([(1,), {"z": 1}, (), (object(),), (2,)])
    assert all(isinstance(answer, InvalidArguments) for answer in (unknown, missing, foreign))
    assert [message["headers"]["id"] for message in raws(client)] == [first, last]


def test_the_same_jobs_are_one(app: Celery, client: redis.Redis) -> None:
    task: Any = app.tasks["add_once"]
    one, other, again = task.submit_many([(1,), (2,), (1,)])
    assert (one == again, one == other) == (True, False)
    assert client.llen("celery") == 2


def test_nobody_is_asked_for_nothing(app: Celery) -> None:
    task: Any = app.tasks["add_up"]
    assert task.submit_many([]) == []


def test_a_full_queue_says_which_are_in(broker_url: str, client: redis.Redis) -> None:
    celery = celery_of(broker_url, CELERIAC_QUEUE_LIMIT=700)
    task: Any = celery.tasks["add_up"]
    answers = task.submit_many((i,) for i in range(1000))
    celery.close()
    assert [message["headers"]["id"] for message in raws(client)] == answers[:700]
    assert all(isinstance(answer, QueueFull) for answer in answers[700:])


def test_a_redis_that_goes_half_way_loses_nothing(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path).start()
    celery = celery_of(valkey.url)
    task: Any = celery.tasks["add_up"]

    def items() -> Iterator[tuple[int]]:
        for i in range(2000):
            if i == 1200:
                valkey.kill()
            yield (i,)

    try:
        answers = task.submit_many(items())
    finally:
        celery.close()
    assert len(answers) == 2000
    assert all(isinstance(answer, str) for answer in answers[:1000])
    assert all(isinstance(answer, BrokerUnavailable) for answer in answers[1000:])


def test_a_server_that_forgot_the_move_is_taught_it(app: Celery, client: redis.Redis) -> None:
    client.script_flush()
    task: Any = app.tasks["add_up"]
    assert len(set(task.submit_many((i,) for i in range(20)))) == 20
    assert client.llen("celery") == 20
