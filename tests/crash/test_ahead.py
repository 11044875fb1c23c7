"""Tiny jobs go ahead into the processes of a prefork pool; what one has not begun is anybody's."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.article.running import eventually
from tests.crash.harness import System
from tests.crash.test_deploy import children

pytestmark = pytest.mark.slow

TINY = 200


def trusted(system: System) -> None:
    """Let the pool see that this task is quick."""
    first = system.submit_many(f"first{i}" for i in range(20))
    system.finished(first)


def burst(system: System, slow: float, name: str = "slow") -> list[str]:
    """Submit many tiny jobs with one among them that takes long, of the same task; return the tiny ones."""
    keys = [f"{name}tiny{i}" for i in range(TINY)]
    items = [[key, 0.0] for key in keys]
    items.insert(10, [name, slow])
    answers = system.celery.tasks["tests.crash.app.note"].submit_many(items)
    assert all(isinstance(answer, str) for answer in answers)
    return keys


def test_tiny_jobs_behind_one_that_takes_long_run_in_the_other_process(system: System) -> None:
    system.worker("prefork", 2)
    trusted(system)
    keys = burst(system, 3.0)
    system.finished(keys)
    assert "slow" not in system.ledger.counts("end")
    system.finished(["slow"])
    system.settled()
    assert set(system.ledger.counts("start").values()) == {1}
    assert len({words[2] for words in system.ledger.lines()}) == 2


def test_with_every_process_at_a_long_job_the_tiny_ones_go_back_to_the_queue(system: System) -> None:
    first = system.worker("prefork", 1)
    trusted(system)
    keys = burst(system, 60.0)
    system.started("slow")
    second = system.worker("threads", 2)
    began = time.monotonic()
    system.finished(keys)
    print(f"all of them after {time.monotonic() - began:.2f} s")
    first.kill()
    assert second.alive
    assert system.ledger.counts("start") == {
        **dict.fromkeys(keys, 1), **{f"first{i}": 1 for i in range(20)}, "slow": system.ledger.starts("slow"),
    }  # fmt: skip


def test_a_process_killed_with_jobs_ahead_of_it_costs_a_run_of_the_one_that_it_was_at(system: System) -> None:
    worker = system.worker("prefork", 2)
    trusted(system)
    killed = []
    for turn in range(5):
        keys = burst(system, 1.0, f"slow{turn}")
        system.started(f"slow{turn}")
        killed.append(system.ledger.pid(f"slow{turn}"))
        os.kill(killed[-1], signal.SIGKILL)
        system.finished([*keys, f"slow{turn}"])
    system.settled()
    twice = {key: n for key, n in system.ledger.counts("start").items() if n > 1}
    assert twice == {f"slow{turn}": 2 for turn in range(5)}
    assert not set(killed) & set(children(worker))


def test_a_stop_in_the_middle_of_tiny_jobs_leaves_what_has_not_begun_in_the_queue(system: System) -> None:
    worker = system.worker("prefork", 2, grace=30)
    trusted(system)
    keys = burst(system, 1.0)
    system.started("slow")
    worker.terminate()
    assert worker.ended() == 0
    done = system.ledger.counts("end")
    assert system.ledger.counts("start") == done
    assert "slow" in done
    assert int(system.redis.llen("celery")) == TINY + 21 - len(done)
    assert system.redis.zcard(f"{system.space.keys}inflight") == 0
    system.worker("prefork", 2)
    system.finished(keys)
    system.settled()
    assert set(system.ledger.counts("start").values()) == {1}


def test_connections_cut_in_the_middle_of_tiny_jobs_cost_no_second_run(system: System) -> None:
    worker = system.worker("prefork", 2)
    trusted(system)
    for turn in range(4):
        keys = burst(system, 0.2, f"slow{turn}")
        system.started(f"slow{turn}")
        system.redis.client_kill_filter(_type="normal", skipme=True)
        system.finished([*keys, f"slow{turn}"])
    system.settled()
    assert worker.alive
    assert set(system.ledger.counts("start").values()) == {1}


def test_a_frozen_process_holds_up_the_one_job_that_it_is_at(system: System) -> None:
    worker = system.worker("prefork", 2)
    trusted(system)
    frozen = children(worker)[0]
    os.kill(frozen, signal.SIGSTOP)
    keys = burst(system, 0.0)
    eventually(lambda: len(system.ledger.counts("end")) >= 20 + TINY, "all but one")
    os.kill(frozen, signal.SIGCONT)
    system.finished([*keys, "slow"])
    system.settled()
    assert set(system.ledger.counts("start").values()) == {1}
