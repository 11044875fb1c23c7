"""The moves of the store keep every message, whatever order they come in."""

from __future__ import annotations

import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.queue.moves_machine import Moves

SUITE = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    report_multiple_bugs=False,
)


def test_random_interleavings_of_all_moves_lose_nothing_and_run_nothing_twice(broker_url: str) -> None:
    client = redis.Redis.from_url(broker_url)
    machine = type("MovesHere", (Moves,), {"client": client})
    run_state_machine_as_test(machine, settings=SUITE)
    client.close()
