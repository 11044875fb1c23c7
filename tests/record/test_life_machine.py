"""However the lives of jobs interleave, each record tells the truth to its end."""

from __future__ import annotations

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.record.life_machine import Lives

SUITE = settings(
    stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True,
    report_multiple_bugs=False,
)  # fmt: skip


@pytest.mark.parametrize("examples", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_in_random_lives_every_attempt_ends_once_and_terminal_is_terminal(broker_url: str, examples: int) -> None:
    clients = (redis.Redis.from_url(broker_url), redis.Redis.from_url(broker_url))
    machine = type("LivesHere", (Lives,), {"clients": clients})
    run_state_machine_as_test(machine, settings=settings(SUITE, max_examples=examples))
    for client in clients:
        client.close()
