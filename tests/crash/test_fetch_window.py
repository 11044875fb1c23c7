"""There is no moment between queue and worker at which a kill costs a message."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from celery.exceptions import OperationalError

from tests.crash.conftest import NewSystem
from tests.crash.harness import System
from tests.crash.proxy import Proxy

pytestmark = pytest.mark.slow

TASK = b"tests.crash.app.note"


@pytest.fixture
def proxy(system: System) -> Iterator[Proxy]:
    made = Proxy(system.valkey.port)
    yield made
    made.close()


def through(system: System, proxy: Proxy) -> str:
    return system.valkey.url.replace(f":{system.valkey.port}/", f":{proxy.port}/")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_killed_after_the_server_handed_out_and_before_the_worker_read_it(
    system: System, proxy: Proxy, pool: str
) -> None:
    victim = system.worker(pool, 2, url=through(system, proxy))
    proxy.hold = TASK
    result = system.submit("note", "one")
    assert proxy.held.wait(30), "the reply of the fetch never came"
    assert system.redis.zcard(f"{system.space.keys}inflight") == 1
    victim.kill()
    began = time.monotonic()
    system.worker("threads", 2)
    system.finished(["one"])
    print(
        f"found and run {system.ledger.when('start', 'one') - began:.2f} s after the kill, start of a worker included"
    )
    assert result.get(timeout=20) == "one"
    assert system.ledger.counts("start") == {"one": 1}
    assert system.record(result.id).get("losses") is None
    system.settled()


def test_a_connection_cut_in_the_middle_of_a_fetch_costs_a_lease_and_nothing_else(system: System, proxy: Proxy) -> None:
    worker = system.worker("threads", 2, url=through(system, proxy))
    proxy.hold = TASK
    results = {"one": system.submit("note", "one")}
    assert proxy.held.wait(30), "the reply of the fetch never came"
    proxy.hold = b""
    proxy.cut()
    results |= system.submit_many(["two", "three"])
    system.finished(results)
    assert system.ledger.counts("start") == dict.fromkeys(results, 1)
    system.settled()
    assert worker.alive


def test_a_worker_that_hangs_when_a_job_comes_and_is_killed_then(system: System) -> None:
    victim = system.worker("prefork", 2)
    victim.freeze()
    results = system.submit_many(["one", "two", "three"])
    victim.kill()
    system.worker("prefork", 2)
    system.finished(results)
    assert system.ledger.counts("start") == dict.fromkeys(results, 1)
    system.settled()


def test_a_server_that_hangs_while_a_job_is_submitted_and_the_worker_killed(new_system: NewSystem) -> None:
    """What the server accepted is run; what it did not accept was refused in time and never runs."""
    system = new_system()
    victim = system.worker("threads", 2)
    before = system.submit("note", "before")
    system.finished(["before"])
    assert before.get(timeout=20) == "before"
    os.kill(system.valkey.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(OperationalError):
            system.submit("note", "refused")
        print(f"refused after {time.monotonic() - began:.2f} s")
        victim.kill()
    finally:
        os.kill(system.valkey.pid, signal.SIGCONT)
    after = system.submit("note", "after")
    system.worker("threads", 2)
    system.finished(["after"])
    assert after.get(timeout=20) == "after"
    system.settled()
    assert system.ledger.counts("start") == {"before": 1, "after": 1}


def test_a_connection_that_fell_silent_is_replaced(system: System, proxy: Proxy) -> None:
    worker = system.worker("threads", 2, url=through(system, proxy))
    system.submit("note", "before")
    system.finished(["before"])
    proxy.silence()
    began = time.monotonic()
    system.submit("note", "after")
    system.finished(["after"])
    print(f"consuming again {system.ledger.when('start', 'after') - began:.2f} s after the link fell silent")
    assert worker.alive
