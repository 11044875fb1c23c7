"""Short jobs do not wait behind long ones that others could run: no worker idles beside a waiting job."""

from __future__ import annotations

import time

import pytest

from tests.article.running import eventually
from tests.crash.harness import System

pytestmark = pytest.mark.slow


def delays(system: System, n: int) -> list[float]:
    """Submit short jobs one after the other; return how long each waited for its start (s), the slowest last."""
    waited = []
    for i in range(n):
        began = time.monotonic()
        system.submit("note", f"short{i}")
        system.finished([f"short{i}"])
        waited.append(system.ledger.when("start", f"short{i}") - began)
    return sorted(waited)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_short_job_runs_at_once_on_the_one_free_slot_while_long_ones_saturate_the_rest(
    system: System, pool: str
) -> None:
    system.worker(pool, 2)
    system.worker(pool, 2)
    gate = system.gate()
    held = {f"held{i}": system.submit("hold", f"held{i}", str(gate)) for i in range(3)}
    for key in held:
        system.started(key)
    waited = delays(system, 20)
    print(f"{pool}: p50 {waited[9] * 1000:.0f} ms, p95 {waited[18] * 1000:.0f} ms, slowest {waited[-1] * 1000:.0f} ms")
    assert not set(held) & set(system.ledger.counts("end"))
    gate.touch()
    system.finished(held)
    system.settled()


def test_of_a_burst_of_long_jobs_every_free_slot_takes_one_and_nothing_is_hoarded(system: System) -> None:
    """Two workers of two slots and five long jobs: four run at once, the fifth goes wherever a slot comes free."""
    for _ in range(2):
        system.worker("prefork", 2)
    gates = [system.gate(f"gate{i}") for i in range(5)]
    for i, gate in enumerate(gates):
        system.submit("hold", f"held{i}", str(gate))
    eventually(lambda: len(system.ledger.counts("start")) == 4, "four long jobs running")
    running = sorted(system.ledger.counts("start"))
    last = ({f"held{i}" for i in range(5)} - set(running)).pop()
    gates[int(running[-1].removeprefix("held"))].touch()
    system.started(last)
    waited = system.ledger.when("start", last) - system.ledger.when("end", running[-1])
    print(f"the fifth began {waited:.2f} s after a slot was free")
    for gate in gates:
        gate.touch()
    system.finished(f"held{i}" for i in range(5))
    assert system.ledger.counts("start") == {f"held{i}": 1 for i in range(5)}
    system.settled()
