"""A wire is as good after a hundred restarts of Redis as after none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from celeriac.stack.valkey import Valkey
from celeriac.store.clients import ConnectionError, ResponseError, from_url
from celeriac.store.wire import Wire, wired


def test_connections_that_died_are_replaced_however_often(broker_url: str) -> None:
    wire = Wire(from_url(broker_url).connection_pool)
    with Redis.from_url(broker_url) as other:
        for n in range(250):  # redis-py's pool makes a hundred in its life
            assert wire.execute_command("ECHO", str(n)) == str(n).encode()
            other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def test_many_threads_come_through_a_restart(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey").start()
    try:
        client = wired(from_url(server.url))
        with ThreadPoolExecutor(64) as threads:
            for turn in range(3):
                answers = threads.map(lambda n: client.execute_command("eval", "return ARGV[1]", 0, n), range(200))
                assert list(answers) == [str(n).encode() for n in range(200)]
                if turn < 2:
                    server.stop()
                    server.start()
    finally:
        server.kill()


def test_a_refusal_leaves_the_connection_usable(broker_url: str) -> None:
    wire = Wire(from_url(broker_url).connection_pool)

    with pytest.raises(ResponseError):
        wire.execute_command("eval", "return redis.call('NONSENSE')", 0)
    assert wire.execute_command("ECHO", "x") == b"x"


def test_what_must_not_come_twice_is_sent_once(broker_url: str) -> None:
    client = wired(from_url(broker_url))
    with Redis.from_url(broker_url) as other:
        assert client.each([("INCR", "n")]) == [1]
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(ConnectionError):
            client.each([("INCR", "n")])
        assert client.each([("INCR", "n")]) == [2]
