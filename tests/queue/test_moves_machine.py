"""The moves of the store keep every message, whatever order they come in."""

from __future__ import annotations

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.queue.moves_machine import Moves

SUITE = settings(
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    report_multiple_bugs=False,
)


@pytest.mark.parametrize("examples", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_random_interleavings_of_all_moves_lose_nothing_and_run_nothing_twice(broker_url: str, examples: int) -> None:
    client = redis.Redis.from_url(broker_url)
    machine = type("MovesHere", (Moves,), {"client": client})
    run_state_machine_as_test(machine, settings=settings(SUITE, max_examples=examples))
    client.close()
