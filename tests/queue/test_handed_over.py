"""A job that is submitted while a worker waits is handed to it under a lease, and whatever happens it is not lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from kombu import Connection

from celeriac import queue
from celeriac.config import Settings
from celeriac.store import moves
from celeriac.store.scripts import script
from tests.article.running import eventually
from tests.queue.test_channel import Reader, until

SPACE = moves.Space()
LISTS = [("q", "q", True), ("q\x06\x163", "q", True)]


@pytest.fixture
def client(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


@pytest.fixture
def reader(broker_url: str) -> Iterator[Callable[..., Reader]]:
    """Start a consumer with some free slots that has found nothing and waits."""
    queue.install()
    opened: list[Connection] = []

    def start(prefetch: int = 2) -> Reader:
        options = queue.options(Settings(broker_url=broker_url))
        opened.append(Connection(broker_url, transport_options=options))
        made = Reader(opened[-1], prefetch)
        until([made], lambda: held_out(made), "a consumer that waits")
        return made

    yield start
    for connection in opened:
        connection.release()


def held_out(reader: Reader) -> bool:
    channel: Any = reader.consumer.channel
    return bool(channel.redis.exists(f"celeriac:waits:{channel._hand}"))


def submit(client: redis.Redis, id: str, **options: Any) -> str:
    headers = {"lang": "py", "task": "t", "id": id, "retries": options.get("retries", 0)}
    properties = {"delivery_info": {}, "delivery_tag": f"tag-{id}-{headers['retries']}"}
    raw = json.dumps({
        "body": "[[], {}, {}]", "content-encoding": "utf-8", "content-type": "application/json",
        "headers": headers, "properties": properties,
    })  # fmt: skip
    words = {"key": "q", **options}
    job = moves.Submission(queue="q", raw=raw, id=id, task="t", tag=properties["delivery_tag"], **words)
    return moves.publish(client, SPACE, job)[0]


def wait(client: redis.Redis, hand: str = "h", free: int = 1) -> moves.Fetched:
    """Find nothing, and wait at a hand."""
    return moves.fetch(client, SPACE, 2, LISTS, (), hand, free)


def listen(client: redis.Redis, hand: str = "h") -> moves.Delivery | None:
    given: Any = client.lpop(moves.hand_key(SPACE, hand))
    return moves.read_hand(given) if given else None


def state(client: redis.Redis, id: str) -> tuple[str, str]:
    found: Any = client.hmget(f"celeriac:job:{id}", "state", "fence")
    return tuple((value or b"").decode() for value in found)  # type: ignore[return-value]


def counted(client: redis.Redis) -> int:
    """Return how many messages of the queue its counters take for waiting."""
    pushed, popped = (int(client.hget(f"celeriac:{name}", "q") or 0) for name in ("pushed", "popped"))  # type: ignore[arg-type]
    return pushed - popped


def test_what_is_handed_over_is_a_delivery_like_any_other(client: redis.Redis) -> None:
    wait(client)
    assert submit(client, "one") == "queued"
    given = listen(client)
    assert given is not None
    assert (given.token, given.queue, given.losses, given.delayed) == ("one:1", "q", 0, False)
    assert json.loads(given.raw)["headers"]["id"] == "one"
    assert (client.llen("q"), counted(client), state(client, "one")) == (0, 0, ("queued", "1"))
    lease = client.zscore("celeriac:inflight", "one:1") - moves_now(client)  # type: ignore[operator]
    assert SPACE.lease * 900 < lease <= SPACE.lease * 1000
    assert moves.start(client, SPACE, given.token, "w", 0.0, "") == "ok"
    assert moves.put_back(client, SPACE, [given.token], "worker lost", lost=True) == []
    [again] = moves.fetch(client, SPACE, 1, LISTS).deliveries
    assert (again.token, again.raw, again.losses) == ("one:2", given.raw, 1)


def moves_now(client: redis.Redis) -> int:
    seconds, micros = client.time()  # type: ignore[misc]
    return int(seconds) * 1000 + int(micros) // 1000


def test_who_waited_longest_is_handed_one_job_and_the_next_goes_to_another(client: redis.Redis) -> None:
    for hand in ("first", "second"):
        wait(client, hand)
        client.delete("celeriac:bell:q")
        client.zadd("celeriac:idle:q", {"first": moves_now(client) + 700}, xx=True)
    for id in ("one", "two", "three"):
        submit(client, id)
    given = [listen(client, hand) for hand in ("first", "second")]
    assert [delivery and delivery.token for delivery in given] == ["one:1", "two:1"]
    assert (client.llen("q"), client.llen("celeriac:bell:q")) == (1, 1)


@pytest.mark.parametrize(
    "case", ["no slot is free", "it asked again", "others are before it", "a bell rings", "its queue is paused",
             "it is delayed", "its queue is read without acknowledgement", "it listens no longer"]
)  # fmt: skip
def test_a_job_waits_in_its_queue_when(client: redis.Redis, case: str) -> None:
    wait(client, free=0 if case == "no slot is free" else 1)
    delay = None
    if case == "it asked again":
        moves.fetch(client, SPACE, 2, LISTS, (), "h", 0)
    elif case == "others are before it":
        client.lpush("q", "somebody else's")
    elif case == "a bell rings":
        client.lpush("celeriac:bell:q", "1")
    elif case == "its queue is paused":
        script("pause")(client, *SPACE.head(), "q", 1)
    elif case == "it is delayed":
        delay = 30.0
    elif case == "its queue is read without acknowledgement":
        client.flushdb()
        moves.fetch(client, SPACE, 2, [("q", "q", False)], (), "h", 1)
    elif case == "it listens no longer":
        eventually(lambda: not client.exists("celeriac:waits:h"), "the end of what it said")
    submit(client, "one", delay=delay)
    assert listen(client) is None
    assert client.zcard("celeriac:inflight") == 0
    assert client.llen("q") + int(client.zcard("celeriac:delayed")) == 1 + (case == "others are before it")


def test_only_the_first_message_of_a_job_is_handed_over(client: redis.Redis) -> None:
    submit(client, "one")
    [first] = moves.fetch(client, SPACE, 1, LISTS).deliveries
    client.delete("celeriac:bell:q")
    wait(client)
    assert submit(client, "one", retries=1, fence=1) == "queued"
    assert listen(client) is None
    assert client.llen("q") == 1
    assert first.token == "one:1"


def test_a_fetch_brings_what_was_handed_over_since_its_worker_stopped_listening(client: redis.Redis) -> None:
    wait(client)
    submit(client, "one")
    submit(client, "two")
    assert [d.token for d in wait(client).deliveries] == ["one:1", "two:1"]
    assert listen(client) is None


def test_a_fetch_does_not_bring_what_was_taken_away_meanwhile(client: redis.Redis) -> None:
    wait(client)
    submit(client, "one")
    moves.put_back(client, SPACE, ["one:1"], "released")
    assert [d.token for d in wait(client).deliveries] == ["one:2"]


@pytest.mark.parametrize("read", ["never", "lost", "read"])
def test_who_waits_no_longer_gives_back_what_it_never_read(client: redis.Redis, read: str) -> None:
    wait(client)
    submit(client, "one")
    given = listen(client) if read != "never" else None
    moves.let_go(client, SPACE, "h", given.token if given and read == "read" else "")
    assert (client.llen("q"), counted(client)) == ((0, 0) if read == "read" else (1, 1))
    assert submit(client, "two") == "queued"
    assert listen(client) is None


def test_who_waits_no_longer_is_handed_nothing_and_the_next_who_waits_is(client: redis.Redis) -> None:
    wait(client, "gone")
    moves.let_go(client, SPACE, "gone", "")
    submit(client, "one")
    assert (client.llen("q"), client.zcard("celeriac:inflight")) == (1, 0)
    moves.fetch(client, SPACE, 1, LISTS)
    for hand, at in (("stops", 500), ("waits", 600)):
        wait(client, hand)
        client.delete("celeriac:bell:q")
        client.zadd("celeriac:idle:q", {hand: moves_now(client) + at}, xx=True)
    moves.let_go(client, SPACE, "stops", "")
    submit(client, "two")
    assert [given and given.token for given in [listen(client, "waits")]] == ["two:1"]


def test_what_was_not_read_goes_back_before_all_others_as_if_it_had_never_been_taken(client: redis.Redis) -> None:
    wait(client)
    submit(client, "one")
    submit(client, "two")
    moves.let_go(client, SPACE, "h", "")
    assert client.hmget("celeriac:job:one", "state", "reason") == [b"queued", b""]
    found = moves.fetch(client, SPACE, 2, LISTS).deliveries
    assert [(d.token, d.losses) for d in found] == [("one:2", 0), ("two:1", 0)]


def test_who_waits_for_two_queues_is_handed_one_job(client: redis.Redis) -> None:
    moves.fetch(client, SPACE, 2, [*LISTS, ("p", "p", True)], (), "h", 1)
    submit(client, "one")
    moves.publish(client, SPACE, moves.Submission(key="p", queue="p", raw="{}", id="two", task="t", tag="tag-two"))
    assert client.zrange("celeriac:inflight", 0, -1) == [b"one:1"]
    assert (client.llen("p"), client.llen("celeriac:hand:h")) == (1, 1)


def test_a_job_restored_from_the_history_is_not_handed_over_for_its_attempts_go_on(client: redis.Redis) -> None:
    wait(client)
    submit(client, "one", fence=moves.RESTORED, fields={"fence": 7_000_000, "reason": "restored"})
    assert listen(client) is None
    assert [d.token for d in moves.fetch(client, SPACE, 1, LISTS).deliveries] == ["one:7000001"]


def test_a_fetch_brings_no_more_than_was_asked_for_with_what_was_handed_over(client: redis.Redis) -> None:
    wait(client)
    for id in ("one", "two", "three"):
        submit(client, id)
    assert [d.token for d in wait(client, free=0).deliveries] == ["one:1", "two:1"]


def test_who_has_a_free_slot_beside_what_it_found_waits_on(client: redis.Redis) -> None:
    submit(client, "one")
    assert [d.token for d in wait(client, free=2).deliveries] == ["one:1"]
    client.delete("celeriac:bell:q")
    submit(client, "two")
    assert listen(client) is not None


def test_nothing_of_who_waited_and_died_stays_and_what_it_was_handed_is_known_for_a_lease(client: redis.Redis) -> None:
    wait(client, "dead")
    client.zadd("celeriac:idle:q", {"dead": 1})
    wait(client)
    assert client.zrange("celeriac:idle:q", 0, -1) == [b"h"]
    assert 0 < client.pttl("celeriac:idle:q") <= 1500  # type: ignore[operator]
    client.delete("celeriac:bell:q")
    submit(client, "one")
    assert not client.exists("celeriac:idle:q")
    for key in ("waits", "hand"):
        assert 1500 < client.pttl(f"celeriac:{key}:h") <= SPACE.lease * 1000  # type: ignore[operator]


# -- channels ---------------------------------------------------------------------------------------------------


def tokens(reader: Reader) -> list[str]:
    return [message.delivery_tag for message in reader.got]


def test_a_consumer_takes_what_it_is_handed_and_asks_on(client: redis.Redis, reader: Callable[..., Reader]) -> None:
    one = reader(prefetch=2)
    for id in ("one", "two", "three"):
        submit(client, id)
    until([one], lambda: tokens(one) == ["one:1", "two:1"], "as many as there are slots")
    one.got[0].ack()
    until([one], lambda: tokens(one)[2:] == ["three:1"], "the third")
    for message in one.got[1:]:
        message.ack()
    until([one], lambda: not client.zcard("celeriac:inflight"), "all acknowledgements")


@pytest.mark.parametrize("how", ["its consumer is cancelled", "its channel is closed", "its connection is closed"])
def test_what_was_handed_over_and_not_read_is_back_at_once_when(
    client: redis.Redis, reader: Callable[..., Reader], how: str
) -> None:
    one = reader()
    submit(client, "one")
    assert client.zcard("celeriac:inflight") == 1
    if how == "its consumer is cancelled":
        one.consumer.cancel()
    elif how == "its channel is closed":
        one.consumer.channel.close()
    else:
        one.connection.close()
    assert (client.zcard("celeriac:inflight"), client.llen("q"), one.got) == (0, 1, [])
    other = reader()
    until([other], lambda: tokens(other) == ["one:2"], "the job")
    assert one.got == []


def test_a_consumer_that_is_cancelled_and_consumes_again_gets_the_job_once(
    client: redis.Redis, reader: Callable[..., Reader]
) -> None:
    one = reader()
    submit(client, "one")
    one.consumer.cancel()
    one.consumer.consume()
    until([one], lambda: tokens(one) == ["one:2"], "the job, once")
    one.turn()
    assert tokens(one) == ["one:2"]
