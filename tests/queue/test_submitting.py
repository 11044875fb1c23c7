"""However a job is submitted, it is the message that Celery and kombu would have made, and the same record."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery import Celery, chain, group, signals
from celery.exceptions import OperationalError
from flask import Flask
from kombu import Connection, Queue

from celeriac import Celeriac, job
from celeriac.stack.valkey import Valkey

LATER = (datetime.now(UTC) + timedelta(hours=1)).replace(second=30)


@job(queue="io", name="pair")
def pair(x: Any, y: Any = 2) -> Any:
    """Return both."""
    return [x, y]


@pytest.fixture
def app(broker_url: str) -> Iterator[Celery]:
    flask = Flask("submitting")
    flask.config.update(BROKER_URL=broker_url, RESULT_BACKEND=broker_url)
    Celeriac(flask)
    celery: Celery = flask.extensions["celery"]
    celery.finalize()
    yield celery
    celery.close()


@pytest.fixture
def client(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def kept(client: redis.Redis, id: str) -> tuple[Any, dict[str, Any]]:
    """Return the message and the record of a job, without what is every submission's own."""
    lists = [key for key in client.scan_iter(_type="list") if not key.startswith(b"celeriac:")]
    raws = [raw for key in lists for raw in client.lrange(key, 0, -1)]
    raws += [value.split(b"\n", 2)[2] for value in client.hvals("celeriac:delayed:messages")]
    (raw,) = [raw for raw in raws if id.encode() in raw]
    where = [key.decode() for key in lists if raw in client.lrange(key, 0, -1)]
    record = {k.decode(): v.decode().replace(id, "ID") for k, v in client.hgetall(f"celeriac:job:{id}").items()}
    for name in ("created_at", "tag", "pos", "due", "trail"):
        record.pop(name, None)
    message = json.loads(raw.decode().replace(id, "ID"))
    asked = json.loads(record.pop("options", "{}"))
    message["properties"].pop("delivery_tag")
    for times in (message["headers"], asked):  # to the minute: they are reckoned from the moment of each submission
        times |= {name: times[name][:16] for name in ("eta", "expires") if times.get(name)}
    if "expiration" in message["properties"]:
        message["properties"]["expiration"] = round(int(message["properties"]["expiration"]) / 60_000)
    return [where, message], record | {"options": asked}


ASKED: list[dict[str, Any]] = [
    {},
    {"args": (1, "it's \\ é\n", None, 2.5, True)},
    {"args": [["x" * 2000], {"a": {"b": [1]}}]},
    {"kwargs": {"x": "long " * 20, "y": Decimal("1.5")}},
    {"kwargs": {"x": 2**70}},
    {"kwargs": {"x": LATER}},
    {"args": (1,), "countdown": 60},
    {"args": (1,), "eta": LATER, "expires": LATER + timedelta(hours=1)},
    {"args": (1,), "expires": 600.0, "time_limit": 9, "soft_time_limit": 8},
    {"args": (1,), "expires": "2040-01-01T00:00:00+00:00"},
    {"args": (1,), "queue": "elsewhere", "priority": 9, "shadow": "other"},
    {"args": (1,), "queue": Queue("elsewhere")},
    {"args": (1,), "routing_key": "of no weight", "ignore_result": True, "retries": 1},
    {"args": (1,), "headers": {"mine": [1], "celeriac_owner": "ann"}, "reply_to": "me", "argsrepr": "(***)"},
    {"args": (1,), "stamped_headers": ["why"], "why": "test"},
    {"args": (1,), "group_id": "g", "group_index": 2, "parent_id": "p", "root_id": "r", "app_id": "a"},
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: " ".join(asked) or "nothing")
@pytest.mark.parametrize("known", [True, False], ids=["task", "name"])
def test_a_job_is_the_message_that_kombu_makes(
    app: Celery, client: redis.Redis, asked: dict[str, Any], known: bool
) -> None:
    made = []
    for own in (True, True, False):  # the second of its kind is cast from the mould of the first
        options = {
            **asked,
            "args": asked.get("args", ()),
            "kwargs": asked.get("kwargs", {}),
            "task_id": str(uuid.uuid4()),
        }
        if known:
            options.setdefault("args", ())
            options |= {} if options["args"] or options["kwargs"] else {"args": (1,)}
            if len(options["args"]) > 2:
                options["args"] = options["args"][:2]
        with app.producer_or_acquire() as producer:
            options |= {} if own else {"producer": producer}
            result = app.tasks["pair"].apply_async(**options) if known else app.send_task("elsewhere.task", **options)
        assert result.id == options["task_id"]
        assert result.ignored == asked.get("ignore_result", False if known else None)
        made.append(kept(client, result.id))
    (first, record), (second, second_record), (kombus, kombus_record) = made
    kombus[1]["properties"].pop("argsrepr", None)  # Celery lets it stray into the properties
    assert first == second == kombus
    assert record == second_record == kombus_record


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_changed_in_one_message_is_in_no_other(app: Celery, client: redis.Redis, times: int) -> None:
    def change(headers: dict[str, Any], properties: dict[str, Any], body: Any, **_: Any) -> None:
        headers["stamps"]["seen"], headers["timelimit"][0], body[2]["chain"] = "once", 7, []
        properties["app_id"] = "mine"

    signals.before_task_publish.connect(change)
    try:
        for _ in range(times):
            pair.apply_async((0,))
    finally:
        signals.before_task_publish.disconnect(change)
    (_, message), _ = kept(client, pair.apply_async((1,)).id)
    assert message["headers"]["stamps"] == {}
    assert message["headers"]["timelimit"] == [None, None]
    assert "app_id" not in message["properties"]
    assert json.loads(message["body"])[2]["chain"] is None


def test_signals_are_sent_and_may_change_the_message(app: Celery, client: redis.Redis) -> None:
    heard = []

    def before(sender: str, headers: dict[str, Any], properties: dict[str, Any], **told: Any) -> None:
        headers["added"], properties["app_id"] = "before", "mine"
        heard.append(("before", sender, told["routing_key"], tuple(told["body"][0])))

    def after(sender: str, headers: dict[str, Any], **told: Any) -> None:
        heard.append(("after", sender, told["routing_key"], headers["id"]))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    try:
        id = app.tasks["pair"].delay(1, 2).id
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)
    assert heard == [("before", "pair", "io", (1, 2)), ("after", "pair", "io", id)]
    (_, message), _ = kept(client, id)
    assert message["headers"]["added"] == "before"
    assert message["properties"]["app_id"] == "mine"


def test_the_users_own_routes_come_first(app: Celery, client: redis.Redis) -> None:
    app.conf.update(task_routes={"pair": {"queue": "routed", "priority": 6}})
    id = app.tasks["pair"].delay(1).id
    ([where], _), record = kept(client, id)
    assert where.startswith("routed")
    assert record["queue"] == "routed"


def test_parts_of_a_canvas_know_their_followers(app: Celery, client: redis.Redis) -> None:
    result = chain(pair.s(1), group(pair.s(2), pair.s(3))).apply_async()
    first = result.parent.id
    _, record = kept(client, first)
    assert sorted(record["chain"].split()) == sorted(child.id for child in result.results)


def test_a_job_that_cannot_be_json_is_refused(app: Celery, client: redis.Redis) -> None:
    with pytest.raises(Exception, match="not JSON serializable"):
        app.tasks["pair"].delay(object())
    assert client.llen("io") == 0


def test_a_connection_that_died_while_it_was_idle_is_replaced(app: Celery, client: redis.Redis) -> None:
    pair.apply_async((1,), retry=False)
    mine = client.client_id()
    for other in client.client_list():
        if int(other["id"]) != mine:
            client.client_kill_filter(_id=other["id"])
    pair.apply_async((2,), retry=False)
    assert client.llen("io") == 2


def test_a_redis_that_is_gone_is_said(tmp_path: Any) -> None:
    valkey = Valkey(tmp_path).start()
    flask = Flask("gone")
    flask.config.update(BROKER_URL=valkey.url, RESULT_BACKEND=valkey.url)
    Celeriac(flask)
    celery: Celery = flask.extensions["celery"]
    try:
        celery.send_task("a.task")
        valkey.kill()
        for policy in ({}, {"retry": False}, {"retry_policy": {"max_retries": 2, "interval_start": 0.01}}):
            with pytest.raises(OperationalError):
                celery.send_task("a.task", **policy)
        with Connection(valkey.url) as fresh, pytest.raises(OperationalError):
            celery.send_task("a.task", connection=fresh)
    finally:
        celery.close()
        valkey.kill()
