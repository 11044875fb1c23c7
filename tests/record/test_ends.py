"""However a job ends, its record says so, and Celery's result says the same; in every pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from celeriac.job import TERMINAL, State
from tests.record.desk import Desk, agrees, eventually

WAIT = 60
ENDED = [str(state).encode() for state in TERMINAL]


def runs(ledger: Path) -> list[str]:
    return ledger.read_text().split("\n")[:-1] if ledger.exists() else []


def test_a_job_that_returns_has_succeeded(desk: Desk, lane: str) -> None:
    job = desk.send("add", queue=lane, x=1, y=2)
    assert job.get(WAIT) == 3
    found = desk.read(job.id)

    assert (found.state, found.result, found.attempt, found.retries) == (State.SUCCEEDED, 3, 1, 0)
    assert found.created_at is not None
    assert found.started_at is not None
    assert found.finished_at is not None
    assert found.created_at <= found.started_at <= found.finished_at
    assert found.worker.startswith(lane)
    assert found.kwargs == {"x": 1, "y": 2}
    agrees(desk, job.id)
    eventually(lambda: not [t for t in desk.in_flight() if t.startswith(job.id)], "its lease is over")


def test_progress_is_live_and_ends_with_the_last_report(desk: Desk, lane: str) -> None:
    job = desk.send("steps", queue=lane, count=20, seconds=0.05)
    seen = eventually(lambda: desk.read(job.id).progress, "progress")
    assert seen["total"] == 20
    eventually(lambda: desk.lines(job.id), "a line of a job that runs")
    assert desk.read(job.id).state in (State.RUNNING, State.SUCCEEDED)
    job.get(WAIT)
    found = desk.read(job.id)
    assert found.progress is not None
    assert found.progress["current"] == 20
    assert len(desk.lines(job.id)) == 20


def test_states_of_the_jobs_own_are_progress_and_show_in_celerys_result(desk: Desk, lane: str) -> None:
    job = desk.send("own_state", queue=lane)
    found = eventually(lambda: (r := desk.read(job.id)).progress and r, "progress")
    assert found.progress["current"] in (3, 4)
    eventually(lambda: desk.meta(job.id).get("status") == "PAINTING", "Celery's result")
    agrees(desk, job.id)
    desk.cancel(job.id)
    desk.reaches(job.id)


def test_a_job_that_raises_has_failed_with_its_error(desk: Desk, lane: str) -> None:
    job = desk.send("fails", queue=lane)
    with pytest.raises(ValueError, match="as agreed"):
        job.get(WAIT)
    found = desk.read(job.id)
    assert found.state is State.FAILED
    assert found.error is not None
    assert (found.error["type"], found.error["message"]) == ("ValueError", "as agreed")
    assert "in fails" in found.error["traceback"]
    agrees(desk, job.id)


@pytest.mark.parametrize("countdown", [0, 0.2])
def test_a_retry_is_another_attempt_of_the_same_job(desk: Desk, lane: str, tmp_path: Path, countdown: float) -> None:
    ledger, late = tmp_path / "ledger", desk.counter("late_results")
    job = desk.send("flaky", queue=lane, ledger=str(ledger), fails=2, countdown=countdown)
    assert job.get(WAIT) == 2
    found = desk.read(job.id)

    assert len(runs(ledger)) == 3
    assert (found.state, found.attempt, found.retries) == (State.SUCCEEDED, 3, 2)
    eventually(lambda: len(desk.read(job.id).attempts) == 3, "three attempts")
    assert sorted(a.outcome for a in desk.read(job.id).attempts) == ["retry", "retry", "succeeded"]
    assert sorted(line.text for line in desk.lines(job.id)) == ["attempt 0", "attempt 1", "attempt 2"]
    assert desk.counter("late_results") == late
    agrees(desk, job.id)


@pytest.mark.parametrize(
    ("how", "state"), [("", "succeeded"), ("slow", "succeeded"), ("fail", "failed"), ("retry", "succeeded")]
)
def test_a_job_whose_result_nobody_wants_closes_its_record(
    desk: Desk, lane: str, tmp_path: Path, how: str, state: str
) -> None:
    late = desk.counter("late_reports")
    job = desk.send("unheard", queue=lane, ledger=str(tmp_path / "ledger"), how=how)
    found = desk.reaches(job.id)
    assert found.state == state
    assert desk.meta(job.id) == {}
    if how == "fail":
        assert found.error is not None
        assert found.error["message"] == "nobody hears this"
    if how == "retry":
        assert (found.attempt, len(runs(tmp_path / "ledger"))) == (2, 2)
    assert desk.counter("late_reports") == late


def test_ignore_ends_a_job_as_cancelled_and_says_why(desk: Desk, lane: str) -> None:
    job = desk.send("ignores", queue=lane)
    found = desk.reaches(job.id)
    assert (found.state, found.reason) == (State.CANCELLED, "ignored: not today")
    with pytest.raises(TaskRevokedError):
        job.get(WAIT)
    agrees(desk, job.id)


def test_reject_ends_a_job_as_failed_and_keeps_its_message_among_the_dead(
    desk: Desk, lane: str, tmp_path: Path
) -> None:
    job = desk.send("rejects", queue=lane, ledger=str(tmp_path / "ledger"), requeue=False)
    found = desk.reaches(job.id)
    assert (found.state, found.reason) == (State.FAILED, "rejected")
    assert eventually(lambda: desk.client.zscore("celeriac:dead", job.id), "a dead letter")
    agrees(desk, job.id)
    assert len(runs(tmp_path / "ledger")) == 1


def test_reject_with_requeue_is_another_attempt(desk: Desk, lane: str, tmp_path: Path) -> None:
    job = desk.send("rejects", queue=lane, ledger=str(tmp_path / "ledger"), requeue=True)
    assert job.get(WAIT) == "accepted"
    found = desk.read(job.id)
    assert (found.state, found.losses) == (State.SUCCEEDED, 0)
    assert [a.outcome for a in found.attempts] == ["given back", "succeeded"]
    assert len(runs(tmp_path / "ledger")) == 2


@pytest.mark.parametrize(("name", "result"), [("replaced", 6), ("replaced_by_chain", 7)])
def test_a_job_that_replaces_itself_goes_on_as_the_other(desk: Desk, lane: str, name: str, result: int) -> None:
    job = desk.send(name, queue=lane, x=5, queue_after=lane)
    assert job.get(WAIT) == result
    found = desk.read(job.id)
    assert (found.state, found.task) == (State.SUCCEEDED, "tests.record.jobs.add")
    eventually(lambda: len(desk.read(job.id).attempts) == 2, "two attempts")
    assert sorted(a.outcome for a in desk.read(job.id).attempts) == ["replace", "succeeded"]
    agrees(desk, job.id)


@pytest.mark.parametrize("task", ["tests.record.jobs.early", "tests.record.foreign.early"])
def test_the_record_of_a_job_that_acknowledges_early_stays_while_it_runs(
    desk: Desk, lane: str, tmp_path: Path, task: str
) -> None:
    ledger = tmp_path / "ledger"
    job = desk.send(task, queue=lane, seconds=2, ledger=str(ledger))
    seen = []

    def is_over() -> bool:
        with desk.client.pipeline() as pipe:
            state, left = pipe.hget(key := f"celeriac:job:{job.id}", "state").pttl(key).execute()
        seen.append(left if state not in ENDED else -1)
        return state in ENDED

    eventually(is_over, "its end")
    assert runs(ledger) == ["began"]
    assert set(seen) == {-1}


def test_a_job_that_acknowledges_early_is_not_stopped_for_it(desk: Desk, lane: str, tmp_path: Path) -> None:
    job = desk.send("early", queue=lane, seconds=0.6, ledger=str(tmp_path / "ledger"))
    assert job.get(WAIT) == "done"
    assert desk.read(job.id).state is State.SUCCEEDED
    assert runs(tmp_path / "ledger") == ["began"]
    eventually(lambda: not [t for t in desk.in_flight() if t.startswith(job.id)], "its lease is over")


def test_a_job_that_exits_has_failed(desk: Desk, lane: str) -> None:
    job = desk.send("raises", queue=lane, kind="exit")
    found = desk.reaches(job.id)
    assert found.state is State.FAILED
    assert found.error is not None
    assert "sys.exit(3)" in found.error["message"]
    agrees(desk, job.id)


def test_an_error_that_only_its_own_process_can_read_ends_its_job_alone(desk: Desk, prefork: str) -> None:
    job, others = desk.send("raises", queue=prefork, kind="unreadable"), []
    for i in range(5):
        others.append(desk.send("add", queue=prefork, x=i, y=0))
    found = desk.reaches(job.id)
    assert (found.state, found.losses) == (State.FAILED, 0)
    assert [other.get(WAIT) for other in others] == list(range(5))
    assert desk.send("add", queue=prefork, x=1, y=2).get(WAIT) == 3


@pytest.mark.parametrize("kind", ["bytes", "set", "nan", "object", "deep", "keys", "loop"])
def test_a_result_that_json_cannot_carry_is_a_clear_failure(desk: Desk, lane: str, kind: str) -> None:
    job = desk.send("gives", queue=lane, kind=kind)
    found = desk.reaches(job.id)
    assert found.state is State.FAILED
    assert found.error is not None
    assert found.error["message"], found.error
    assert len(desk.meta(job.id)["result"]["exc_message"][0]) < 1000
    agrees(desk, job.id)


@pytest.mark.parametrize(
    ("kind", "type_", "words"),
    [
        ("html", "ValueError", "<script>alert(1)</script>"),
        ("unpicklable", "Unpicklable", "words"),
        ("unspeakable", "Unspeakable", ""),
        ("memory", "MemoryError", "no more"),
        ("recursion", "RecursionError", "maximum recursion"),
        ("nan", "ValueError", "nan"),
        ("bytes", "ValueError", "xff"),
        ("newline", "ValueError", 'one\n{"forged": true}'),
        ("long", "ValueError", "yyy"),
    ],
)
def test_whatever_a_job_raises_its_record_has_type_and_message(
    desk: Desk, lane: str, kind: str, type_: str, words: str
) -> None:
    job = desk.send("raises", queue=lane, kind=kind)
    found = desk.reaches(job.id)
    assert found.state is State.FAILED
    assert found.error is not None
    assert found.error["type"] == type_
    assert words in found.error["message"]
    assert len(found.error["message"]) <= 2000
    assert desk.client.strlen(f"celery-task-meta-{job.id}") < 1_100_000
    agrees(desk, job.id)
    with pytest.raises(Exception):  # noqa: B017, PT011  # Celery rebuilds what it can
        job.get(WAIT)


@pytest.mark.parametrize(
    ("name", "given", "state", "result"),
    [
        ("late", {}, State.SUCCEEDED, "done"),
        ("late", {"how": "ignore"}, State.CANCELLED, None),
        ("late", {"how": "replace"}, State.SUCCEEDED, 3),
        ("early", {}, State.SUCCEEDED, "done"),
    ],
)
def test_a_task_of_another_class_ends_truthfully_too(
    desk: Desk, lane: str, name: str, given: dict[str, str], state: State, result: Any
) -> None:
    more = {"queue_after": lane} if given.get("how") == "replace" else {}
    job = desk.send(f"tests.record.foreign.{name}", queue=lane, **given, **more)
    found = desk.reaches(job.id)
    assert (found.state, found.result) == (state, result)
    assert found.reason == ("ignored: not today" if state is State.CANCELLED else "")
    eventually(lambda: not [t for t in desk.in_flight() if t.startswith(job.id)], "its lease is over")
    agrees(desk, job.id)
