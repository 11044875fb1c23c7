"""A message is its own job's, whatever else it quotes, and however its producer wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from celeriac.store import moves

SPACE = moves.Space()
LISTS = [("q", "q", True)]


@pytest.fixture
def client(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        client.flushdb()
        yield client


def message(id: str, tag: str, body: str = "[[], {}, {}]") -> dict[str, Any]:
    """Return a message as Celery makes it, in the order of its keys."""
    return {
        "body": body, "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"lang": "py", "task": "t", "id": id, "shadow": None, "retries": 0, "root_id": id},
        "properties": {"correlation_id": id, "delivery_info": {}, "body_encoding": "utf-8", "delivery_tag": tag},
    }  # fmt: skip


def publish(client: redis.Redis, id: str, tag: str) -> str:
    raw = json.dumps(message(id, tag))
    assert moves.publish(client, SPACE, moves.Submission("q", "q", raw, id, "t", 0, tag))[0] == "queued"
    return raw


def quoted_in_a_header(raw: str) -> str:
    odd = message("odd", "its-tag")
    odd["headers"] = {"lang": json.loads(raw), **{k: v for k, v in odd["headers"].items() if k != "lang"}}
    return json.dumps(odd)


def quoted_before_its_headers(raw: str) -> str:
    return json.dumps({"forwarded": json.loads(raw), **message("odd", "its-tag")})


def quoted_after_its_properties(raw: str) -> str:
    """It ends as that message does."""
    return json.dumps({"forwarded": json.loads(raw)["headers"], **message("odd", "its-tag"), "of": json.loads(raw)})


def ends_with_its_tag(raw: str) -> str:
    tag = json.loads(raw)["properties"]["delivery_tag"]
    return json.dumps({**message("odd", "its-tag"), "zz": {"a": 1, "delivery_tag": tag}})


def quoted_in_its_arguments(raw: str) -> str:
    return json.dumps(message("odd", "its-tag", json.dumps([[raw], {}, {}])))


def another_id_under_its_tag(raw: str) -> str:
    """A copy made by hand: what names the job is the header."""
    return json.dumps(message("odd", json.loads(raw)["properties"]["delivery_tag"]))


def packed(raw: str) -> str:
    return json.dumps(message("odd", "its-tag"), separators=(",", ":"))


def turned_round(raw: str) -> str:
    odd = message("odd", "its-tag")
    odd["properties"] = dict(reversed(odd["properties"].items()))
    odd["headers"] = dict(reversed(odd["headers"].items()))
    return json.dumps(dict(reversed(odd.items())))


def with_an_id_that_is_escaped(raw: str) -> str:
    odd = json.dumps(message("odd", "its-tag"))
    return odd.replace('"id": "odd"', '"id": "\\u006fdd"')


ODD = [
    quoted_in_a_header, quoted_before_its_headers, quoted_after_its_properties, ends_with_its_tag,
    quoted_in_its_arguments, another_id_under_its_tag, packed, turned_round, with_an_id_that_is_escaped,
]  # fmt: skip


@pytest.mark.parametrize("seen", [False, True], ids=["new", "seen before"])
@pytest.mark.parametrize("write", ODD, ids=lambda write: write.__name__.replace("_", " "))
def test_a_message_that_looks_like_anothers_is_its_own_jobs(
    client: redis.Redis, write: Callable[[str], str], seen: bool
) -> None:
    raw = publish(client, "victim", "tag-of-the-victim")
    odd = write(raw)
    client.rpush("q", odd)
    [first] = moves.fetch(client, SPACE, 1, LISTS).deliveries
    if seen:  # its record knows it from now on
        moves.put_back(client, SPACE, [first.token])
        [first] = moves.fetch(client, SPACE, 1, LISTS).deliveries
    [second] = moves.fetch(client, SPACE, 5, LISTS).deliveries
    assert (first.token, first.raw.decode()) == ("odd:2" if seen else "odd:1", odd)
    assert (second.token, second.raw.decode()) == ("victim:1", raw)


def test_a_message_whose_id_is_no_text_is_no_jobs(client: redis.Redis) -> None:
    odd = message("odd", "its-tag")
    odd["headers"]["id"] = {"id": "victim"}
    publish(client, "victim", "tag-of-the-victim")
    client.rpush("q", json.dumps(odd))
    tokens = [d.token for d in moves.fetch(client, SPACE, 5, LISTS).deliveries]
    assert tokens == ["its-tag-1:0", "victim:1"]


def test_half_of_a_jobs_message_is_put_aside_and_the_job_runs(client: redis.Redis) -> None:
    raw = publish(client, "victim", "tag-of-the-victim")
    client.rpush("q", raw[: len(raw) // 2], raw[:-2])
    fetched = moves.fetch(client, SPACE, 5, LISTS)
    assert [d.token for d in fetched.deliveries] == ["victim:1"]
    assert client.zcard("celeriac:dead") == 2
