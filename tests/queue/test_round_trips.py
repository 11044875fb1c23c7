"""What the transport asks of the server, counted by the server: calls, not time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from celeriac import queue
from celeriac.config import Settings
from celeriac.stack.valkey import Valkey
from tests.article.running import eventually
from tests.crash import app as jobs
from tests.crash.harness import Worker

JOBS = 400


def scripts(client: Any) -> int:
    """Return how many moves the server has made."""
    stats = client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("evalsha", "eval"))


def test_a_submit_is_one_round_trip(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey").start()  # of its own: nobody else's calls are counted
    try:
        celery = jobs.create(BROKER_URL=server.url).extensions["celery"]
        note = celery.tasks["tests.crash.app.note"]
        note.delay("first")  # opens the connection and learns the server's clock
        client: Any = redis.Redis.from_url(server.url)
        before = scripts(client)
        reads = client.info("stats")["total_reads_processed"]
        for key in range(20):
            note.delay(str(key))
        asked = client.info("stats")["total_reads_processed"] - reads
        assert scripts(client) - before == 20
        assert asked <= 20 + 5  # what the server read from its sockets: the submits and this test's own questions
        celery.close()
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "slots", "most"), [("threads", 4, 0.3), ("prefork", 2, 1.1)])
def test_a_backlog_travels_in_batches(broker_url: str, tmp_path: Path, pool: str, slots: int, most: float) -> None:
    command = [sys.executable, "-m", "celery", "-A", "tests.queue.plain_app", "worker", "-P", pool, "-c", str(slots)]
    worker = Worker([*command, "-l", "WARNING"], {"BROKER_URL": broker_url}, tmp_path / "log")
    try:
        client: Any = redis.Redis.from_url(broker_url)
        eventually(lambda: client.exists("celeriac:sweep"), "a worker that fetches")
        client.hset("celeriac:paused", "celery", "1")
        queued = _submit(client, broker_url)
        before = scripts(client)
        client.hdel("celeriac:paused", "celery")
        client.lpush("celeriac:bell:celery", "1")
        eventually(
            lambda: client.zcard("celeriac:inflight") == 0 and client.llen("celery") == 0, "the end of the backlog"
        )
        asked = scripts(client) - before
    finally:
        worker.end()
    assert queued == JOBS
    assert asked / JOBS <= most, f"{asked} moves for {JOBS} jobs"


def _submit(client: Any, url: str) -> int:
    queue.install()
    app = Celery("producer", broker=url)
    app.conf.broker_transport_options = queue.options(Settings())
    with app.producer_or_acquire() as producer, producer.batch(200):
        for number in range(JOBS):
            app.send_task("plain.add", (number, 1), producer=producer)
    app.close()
    return int(client.llen("celery"))
