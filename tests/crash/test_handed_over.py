"""A job that was handed to a waiting worker and not read by it is not lost, whatever becomes of the worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.article.running import eventually
from tests.crash.conftest import NewSystem
from tests.crash.harness import System, Worker
from tests.crash.proxy import Proxy

pytestmark = pytest.mark.slow

LONG = 300.0  # a lease (s) that no test waits for
TASK = b"tests.crash.app.note"


def hand_over(system: System, worker: Worker, key: str) -> None:
    """Let a job be handed to a worker that hangs."""
    eventually(lambda: next(system.redis.scan_iter("celeriac:waits:*"), None), "a worker that waits")
    worker.freeze()
    system.submit("note", key)
    assert (system.redis.zcard("celeriac:inflight"), system.redis.llen("celery")) == (1, 0)


@pytest.fixture
def patient(new_system: NewSystem) -> System:
    """Its leases do not run out: what comes back was given back."""
    return new_system(lease=LONG)


@pytest.fixture
def proxy(patient: System) -> Iterator[Proxy]:
    made = Proxy(patient.valkey.port)
    yield made
    made.close()


def through(system: System, proxy: Proxy) -> str:
    return system.valkey.url.replace(f":{system.valkey.port}/", f":{proxy.port}/")


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_worker_that_is_killed_costs_a_lease(system: System, pool: str) -> None:
    victim = system.worker(pool, 2)
    hand_over(system, victim, "one")
    victim.kill()
    system.worker("threads", 2)
    system.finished(["one"])
    system.settled()
    assert system.ledger.counts("start") == {"one": 1}


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_worker_that_is_stopped_runs_it_or_gives_it_back_at_once(patient: System, pool: str) -> None:
    victim = patient.worker(pool, 2)
    hand_over(patient, victim, "one")
    victim.terminate()
    victim.thaw()
    assert victim.ended() == 0
    patient.worker("threads", 2)
    patient.finished(["one"])
    patient.settled()
    assert patient.ledger.counts("start") == {"one": 1}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_stopped_while_the_reply_is_on_its_way_gives_it_back_at_once(
    patient: System, proxy: Proxy, pool: str
) -> None:
    victim = patient.worker(pool, 2, url=through(patient, proxy))
    eventually(lambda: next(patient.redis.scan_iter("celeriac:waits:*"), None), "a worker that waits")
    proxy.hold = TASK
    patient.submit("note", "one")
    assert proxy.held.wait(30), "the reply never came"
    victim.terminate()
    patient.worker("threads", 2)
    patient.finished(["one"])
    patient.settled()
    assert victim.ended() == 0
    assert patient.ledger.counts("start") == {"one": 1}


def test_a_reply_that_is_lost_with_its_connection_costs_nothing(patient: System, proxy: Proxy) -> None:
    worker = patient.worker("threads", 2, url=through(patient, proxy))
    eventually(lambda: next(patient.redis.scan_iter("celeriac:waits:*"), None), "a worker that waits")
    proxy.hold = TASK
    patient.submit("note", "one")
    assert proxy.held.wait(30), "the reply never came"
    proxy.hold = b""
    proxy.cut()
    patient.finished(["one"])
    patient.settled()
    assert worker.alive
    assert patient.ledger.counts("start") == {"one": 1}
