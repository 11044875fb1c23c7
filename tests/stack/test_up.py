"""One command runs the whole system, keeps it running, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import urllib.request
from collections.abc import Callable

import pytest

from celeriac.stack.valkey import HOST, is_free

pytestmark = pytest.mark.slow


def test_the_articles_routes_answer_and_ctrl_c_leaves_nothing_but_the_data(start: Callable) -> None:
    stack = start().up()
    assert stat.S_IMODE((stack.data / "valkey").stat().st_mode) == 0o700
    for secret in ("secret-key", "broker-url", "valkey/password"):
        assert stat.S_IMODE((stack.data / secret).stat().st_mode) == 0o600
    code, job = stack.ask("/add", {"x": 1, "y": 2})
    assert (code, job["status"]) == (202, "Task submitted!")
    assert stack.state_of(job["task_id"], "SUCCESS")["result"] == 3
    code, long = stack.ask("/longtask", {"steps": 2, "seconds": 0.1})
    assert (code, long["status"]) == (202, "Long task submitted!")
    assert stack.state_of(long["task_id"], "SUCCESS")["result"] == "Task complete!"
    with urllib.request.urlopen(f"http://{HOST}:{stack.flower_port}/", timeout=30) as page:
        assert page.status == 200

    assert len(stack.processes()) >= 7
    stack.signal(signal.SIGINT)
    assert stack.ended() == 0
    assert stack.processes() == {}
    assert is_free(stack.port)
    assert is_free(stack.flower_port)
    assert not list(stack.data.rglob("*.pid")) + [p for p in stack.data.rglob("*") if p.is_socket()]

    again = start("--no-flower").up()
    assert again.ask(f"/status/{job['task_id']}")[1] == {"state": "SUCCESS", "result": 3}


def test_parts_stop_in_order_and_a_running_job_finishes_first(start: Callable) -> None:
    stack = start("--no-flower").up()
    _, job = stack.ask("/longtask", {"steps": 4, "seconds": 0.5})
    stack.says("Running step 0")
    stack.signal(signal.SIGTERM)
    assert stack.ended() == 0
    stack.says("Running step 3")
    said = stack.said()
    assert said.index("Handling signal: term") < said.index("Warm shutdown") < said.index("ready to exit")
    again = start("--no-flower").up()
    assert again.state_of(job["task_id"], "SUCCESS")["result"] == "Task complete!"


def test_a_second_ctrl_c_stops_at_once_and_what_ran_is_back_in_its_queue(start: Callable) -> None:
    stack = start("--no-flower", CELERIAC_GRACE="600").up()
    _, job = stack.ask("/longtask", {"steps": 600, "seconds": 1})
    stack.says("Running step 0")
    stack.signal(signal.SIGINT)
    stack.says("Warm shutdown")
    stack.signal(signal.SIGINT)
    assert stack.ended() == 0
    assert stack.processes() == {}

    again = start("--no-flower", CELERIAC_LEASE="3600").up()
    again.says("Running step 0")
    assert again.ask(f"/api/jobs/{job['task_id']}")[1]["attempts"][0]["outcome"] == "worker stopped"


@pytest.mark.parametrize("moment", ["All parts are up", "valkey is ready"])
def test_a_killed_supervisor_takes_everything_with_it(start: Callable, moment: str) -> None:
    stack = start()
    stack.says(moment)
    if moment == "All parts are up":
        stack.ask("/longtask", {"steps": 600, "seconds": 1})
        stack.says("Running step 0")
    stack.signal(signal.SIGKILL)
    stack.ended()
    stack.gone()


def test_even_without_its_guard_a_killed_supervisor_leaves_nothing(start: Callable) -> None:
    stack = start("--no-flower").up()
    guard = stack.pid_of("guard.py")
    stack.signal(signal.SIGSTOP)  # so that it cannot start another guard
    os.kill(guard, signal.SIGKILL)
    stack.kill()
    stack.gone()


def test_a_part_that_crashes_is_started_again_and_said_so(start: Callable) -> None:
    stack = start("--no-flower").up()
    for name, words in (("default", "default@"), ("io", "io@"), ("web", "gunicorn"), ("valkey", "valkey-server")):
        os.kill(stack.pid_of(words), signal.SIGKILL)
        stack.says(f"{name} was ended by SIGKILL; starting it again in 0.5 s")
        stack.says(f"{name} is back")
        code, job = stack.ask("/add", {"x": 1, "y": 2})
        assert code == 202
        assert stack.state_of(job["task_id"], "SUCCESS")["result"] == 3
