"""A channel of the transport, used through kombu: what it holds it hands out, gives back or puts aside, and no more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from kombu import Connection, Consumer, Producer, Queue
from kombu.exceptions import OperationalError

from celeriac import queue
from celeriac.config import Settings
from celeriac.store.moves import Space
from tests.article.running import eventually
from tests.crash.proxy import Proxy

Connect = Callable[..., Connection]


@pytest.fixture
def connect(broker_url: str) -> Iterator[Connect]:
    """Open connections over the test's database; settings as keywords."""
    queue.install()
    opened: list[Connection] = []

    def connect(**settings: Any) -> Connection:
        options = queue.options(Settings(broker_url=broker_url, **settings))
        opened.append(Connection(broker_url, transport_options=options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.release()


@pytest.fixture
def client(broker_url: str) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(broker_url)
    yield made
    made.close()


class Reader:
    """A consumer of one queue that keeps what it got."""

    def __init__(self, connection: Connection, prefetch: int = 1, name: str = "q") -> None:
        self.connection, self.got = connection, list[Any]()
        self.consumer = Consumer(connection.channel(), Queue(name), callbacks=[self._take], prefetch_count=prefetch)
        self.consumer.consume()

    def _take(self, body: Any, message: Any) -> None:
        self.got.append(message)

    def turn(self) -> None:
        """Let it work for a moment."""
        try:
            self.connection.drain_events(timeout=0.05)
        except TimeoutError:
            return

    @property
    def bodies(self) -> list[Any]:
        return [message.payload for message in self.got]


def publish(connection: Connection, *bodies: Any, name: str = "q", **options: Any) -> None:
    producer = Producer(connection.channel())
    for body in bodies:
        producer.publish(body, routing_key=name, declare=[Queue(name)], **options)


def until(readers: list[Reader], done: Callable[[], bool], what: str) -> None:
    """Let the readers work in turn until it is so."""

    def try_again() -> bool:
        for reader in readers:
            reader.turn()
        return done()

    eventually(try_again, what)


def inflight(client: redis.Redis) -> int:
    return int(client.zcard(f"{Space().keys}inflight"))


def test_what_one_consumer_cannot_take_goes_to_the_other_while_the_first_is_busy(
    connect: Connect, client: redis.Redis
) -> None:
    busy, free = Reader(connect(hold=0.1)), Reader(connect(hold=0.1))
    until([busy], lambda: True, "a first look")
    publish(connect(), *range(10))
    until([busy], lambda: len(busy.got) == 1, "a message for the first")
    done: list[Any] = []

    def drained() -> bool:
        while free.got:
            message = free.got.pop()
            done.append(message.payload)
            message.ack()
        return len(done) == 9

    until([busy, free], drained, "the other nine")
    assert len(busy.got) == 1
    assert sorted([*busy.bodies, *done]) == list(range(10))
    busy.got.pop().ack()
    eventually(lambda: inflight(client) == 0, "all acknowledgements")


def test_a_server_that_forgot_the_moves_is_taught_them_in_the_middle(connect: Connect, client: redis.Redis) -> None:
    reader = Reader(connect(), prefetch=5)
    publish(connect(), 1)
    until([reader], lambda: reader.bodies == [1], "the first")
    client.script_flush()
    publish(connect(), 2)
    until([reader], lambda: reader.bodies == [1, 2], "the second")
    client.script_flush()
    for message in reader.got:
        message.ack()
    eventually(lambda: inflight(client) == 0, "acknowledgements after the flush")


def test_a_closed_connection_gives_back_what_was_not_begun_in_its_order(connect: Connect, client: redis.Redis) -> None:
    first = connect()
    reader = Reader(first, prefetch=3)
    publish(connect(), *range(5))
    until([reader], lambda: len(reader.got) == 3, "three messages")
    first.release()
    assert inflight(client) == 0
    other = Reader(connect(), prefetch=10)
    until([other], lambda: len(other.got) == 5, "all five")
    assert other.bodies == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("waits", ["at its hand", "for a fetch"])
def test_a_channel_closes_for_good_though_its_server_is_gone(broker_url: str, waits: str) -> None:
    queue.install()
    server = urlsplit(broker_url)
    assert server.port
    proxy = Proxy(server.port, hold=b"never sent" if waits == "at its hand" else b"*6\r\n")
    try:
        url = broker_url.replace(f":{server.port}/", f":{proxy.port}/")
        connection = Connection(url, transport_options=queue.options(Settings(broker_url=url, publish_timeout=1)))
        reader = Reader(connection)
        for _ in range(3):
            reader.turn()
        channel = reader.consumer.channel
        assert channel._in_poll
    finally:
        proxy.close()
    connection.release()
    assert channel.closed
    connection.release()


def test_a_message_taken_by_basic_get_is_leased_until_it_is_acknowledged(connect: Connect, client: redis.Redis) -> None:
    connection = connect(lease=1.0)
    publish(connection, "one")
    channel = connection.channel()
    message = channel.basic_get("q")
    assert message is not None
    lease = f"{Space().keys}inflight"
    first = client.zrange(lease, 0, 0, withscores=True)[0][1]
    eventually(lambda: client.zrange(lease, 0, 0, withscores=True)[0][1] > first + 1000, "a lease renewed and again")
    message.ack()
    eventually(lambda: inflight(client) == 0, "the acknowledgement, though nothing is fetched any more")
    assert channel.basic_get("q") is None


def test_messages_that_need_no_acknowledgement_leave_nothing_in_flight(connect: Connect, client: redis.Redis) -> None:
    connection = connect()
    publish(connection, *range(3))
    channel = connection.channel()
    assert [channel.basic_get("q", no_ack=True).payload for _ in range(3)] == [0, 1, 2]
    assert inflight(client) == 0


PROPERTIES = {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "q"}, "body_encoding": "utf-8"}
ENVELOPE = {
    "body": "[]",
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {},
    "properties": PROPERTIES,
}


def envelope(headers: str = "{}", body: Any = "[]", **properties: Any) -> bytes:
    """Return a message as kombu writes it, but for one thing."""
    raw = json.dumps({**ENVELOPE, "body": body, "properties": {**PROPERTIES, **properties}})
    return raw.replace('"headers": {}', f'"headers": {headers}').encode()


GARBAGE = [
    *(b"{", b"", b"\xff\xfe", b"null", b"[]", b'"x"', b"1e400", b"[" * 5000, b'{"properties": []}'),
    *(envelope("null"), envelope('["a"]'), envelope('{"eta": 5}'), envelope('{"a":' * 900 + "1" + "}" * 900)),
    *(envelope('{"id": "x", "task": "y", "retries": {}}'), envelope('{"id": "x", "task": "y", "retries": 1e999}')),
    *(envelope(body=None), envelope(delivery_info=[]), envelope(body_encoding="rot13")),
    envelope(body="!", body_encoding="base64"),
]


@pytest.mark.parametrize("raw", GARBAGE)
def test_whatever_lies_in_the_list_the_consumer_gets_the_next_message(
    connect: Connect, client: redis.Redis, raw: bytes
) -> None:
    """It is handed out, or it is a dead letter; it does not vanish, and it does not stop anything."""
    reader = Reader(connect(), prefetch=5)
    client.lpush("q", raw)
    publish(connect(), "next")
    until(
        [reader],
        lambda: any(message.body in ("next", b"next") for message in reader.got),
        "the next",
    )
    dead = client.zcard(f"{Space().keys}dead")
    assert dead + len(reader.got) == 2
    for message in reader.got:
        message.ack()
    eventually(lambda: inflight(client) == 0, "acknowledgements")


def test_strangers_with_the_same_tag_are_different_messages(connect: Connect, client: redis.Redis) -> None:
    raw = json.dumps(ENVELOPE)
    client.lpush("q", raw, raw, raw)
    reader = Reader(connect(), prefetch=5)
    until([reader], lambda: len(reader.got) == 3, "all three")
    assert inflight(client) == 3


def test_a_key_that_is_no_list_costs_the_others_nothing(connect: Connect, client: redis.Redis) -> None:
    reader = Reader(connect(), prefetch=5)
    client.set("q\x06\x163", "not a list")
    client.lpush("q", envelope(body='"one"'))
    until([reader], lambda: reader.bodies == ["one"], "the message")


@pytest.mark.parametrize("requeue", [True, False])
def test_a_message_is_rejected_after_its_connection_is_gone(
    connect: Connect, client: redis.Redis, requeue: bool
) -> None:
    """What began is still ours after a reconnect: its rejection arrives all the same."""
    first = connect()
    reader = Reader(first)
    publish(connect(), "one")
    until([reader], lambda: len(reader.got) == 1, "the message")
    (message,) = reader.got
    table = message.channel.table
    table.begin(message.delivery_tag)
    first.release()
    assert inflight(client) == 1
    message.reject(requeue=requeue)
    eventually(lambda: inflight(client) == 0, "the rejection")
    assert client.llen("q") == int(requeue)
    assert client.zcard(f"{Space().keys}dead") == int(not requeue)


def test_clocks_that_part_refuse_no_submit(connect: Connect, client: redis.Redis) -> None:
    """The server's clock is set, or this machine sleeps: what the producer learned about the time is wrong then."""
    connection = connect()
    channel = connection.default_channel
    producer = Producer(channel)
    for parted in (0, -3_600_000, 3_600_000):
        producer.publish("x", routing_key="q", headers={"id": f"job{parted}", "task": "t"}, declare=[Queue("q")])
        channel.publisher.clock += parted
    producer.publish("x", routing_key="q", headers={"id": "last", "task": "t"})
    assert client.llen("q") == 4


def test_a_submit_that_redis_takes_up_too_late_is_not_queued(connect: Connect, client: redis.Redis) -> None:
    connection = connect(publish_timeout=0.4)
    producer = Producer(connection.default_channel)
    producer.publish("x", routing_key="q", headers={"id": "first", "task": "t"}, declare=[Queue("q")])
    client.execute_command("CLIENT", "PAUSE", 1000, "WRITE")
    began = time.monotonic()
    with pytest.raises(OperationalError):
        producer.publish("x", routing_key="q", headers={"id": "second", "task": "t"})
    eventually(lambda: client.set("over", 1), "the end of the pause")
    assert time.monotonic() - began < 30
    assert client.llen("q") == 1
    assert not client.exists(f"{Space().keys}job:second")
