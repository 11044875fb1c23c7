"""A job that is cancelled stops: before it starts, at its next look, or by force where the pool can."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery.exceptions import TaskRevokedError

from celeriac.errors import JobCancelled
from celeriac.job import State
from celeriac.store import moves
from celeriac.worker.writer import Writer
from tests.record.conftest import Lanes, Start
from tests.record.desk import Desk, agrees, eventually

WAIT = 60
HEARING = ["prefork", "threads", "gevent"]  # a solo worker hears of nothing while a job runs


def test_a_running_job_that_looks_stops_soon(desk: Desk, lane: str, tmp_path: Path) -> None:
    job = desk.send("listens", queue=lane, ledger=str(tmp_path / "ledger"))
    desk.reaches(job.id, "running")
    assert desk.cancel(job.id, "no longer needed") == "cancelling"
    assert desk.state(job.id) in (State.CANCELLING, State.CANCELLED)
    found = desk.reaches(job.id)

    assert (found.state, found.reason) == (State.CANCELLED, "no longer needed")
    with pytest.raises(TaskRevokedError):
        job.get(WAIT)
    agrees(desk, job.id)
    assert desk.cancel(job.id) == "cancelled"


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_running_job_that_never_looks_is_ended_by_force_where_the_pool_can(
    desk: Desk, lanes: Lanes, pool: str, tmp_path: Path
) -> None:
    queue = lanes(pool)
    ledger = tmp_path / "ledger"
    job = desk.send("deaf", queue=queue, seconds=50, ledger=str(ledger))
    desk.reaches(job.id, "running")
    desk.cancel(job.id)
    found = desk.reaches(job.id)

    assert (found.state, found.reason, found.losses) == (State.CANCELLED, "by hand", 0)
    agrees(desk, job.id)
    assert desk.send("add", queue=queue, x=1, y=1).get(WAIT) == 2
    assert ledger.read_text() == "began\n"


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_running_job_that_never_looks_ends_as_it_ends_where_the_pool_cannot(
    desk: Desk, lanes: Lanes, pool: str
) -> None:
    job = desk.send("deaf", queue=lanes(pool), seconds=2.5)
    desk.reaches(job.id, "running")
    assert desk.cancel(job.id) == "cancelling"
    assert desk.state(job.id) is State.CANCELLING
    found = desk.reaches(job.id)
    assert (found.state, found.result) == (State.SUCCEEDED, "done")
    agrees(desk, job.id)


@pytest.mark.parametrize("pool", HEARING)
def test_celerys_revoke_of_a_running_job_is_a_cancel(desk: Desk, lanes: Lanes, pool: str) -> None:
    job = desk.send("listens", queue=lanes(pool))
    desk.reaches(job.id, "running")
    desk.celery.control.revoke(job.id)
    found = desk.reaches(job.id)
    assert (found.state, found.reason) == (State.CANCELLED, "revoked")
    agrees(desk, job.id)


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_celerys_revoke_with_terminate_ends_a_running_job_at_once(desk: Desk, lanes: Lanes, pool: str) -> None:
    job = desk.send("deaf", queue=lanes(pool), seconds=50)
    desk.reaches(job.id, "running")
    desk.celery.control.revoke(job.id, terminate=True)
    found = desk.reaches(job.id)
    assert found.state is State.CANCELLED
    assert found.losses == 0
    agrees(desk, job.id)


def test_celerys_revoke_of_a_waiting_job_is_a_cancel_in_the_record(desk: Desk, prefork: str) -> None:
    job = desk.send("add", queue="nobody-listens", x=1, y=2)
    desk.celery.control.revoke(job.id)
    found = desk.reaches(job.id)
    assert (found.state, found.reason) == (State.CANCELLED, "revoked")
    agrees(desk, job.id)


@pytest.mark.parametrize("pool", HEARING)
def test_a_revoked_job_can_be_retried_on_the_same_worker(desk: Desk, lanes: Lanes, pool: str) -> None:
    job = desk.send("listens", queue=lanes(pool))
    desk.reaches(job.id, "running")
    desk.celery.control.revoke(job.id)
    desk.reaches(job.id)
    desk.retry(job.id)
    desk.reaches(job.id, "running")
    assert desk.cancel(job.id) == "cancelling"
    found = desk.reaches(job.id)
    assert [a.outcome for a in found.attempts] == ["cancelled", "cancelled"]


@pytest.mark.slow
def test_a_cancelled_waiting_job_never_starts_though_every_worker_restarts_in_between(
    broker_url: str, start_worker: Start, tmp_path: Path
) -> None:
    desk, ledger = Desk(broker_url), tmp_path / "ledger"
    worker = start_worker(broker_url, "threads", "celery")
    blockers = [desk.send("listens") for _ in range(4)]
    for blocker in blockers:
        desk.reaches(blocker.id, "running")
    ready = desk.send("add", x=1, y=2, ledger=str(ledger))
    later = desk.send("add", x=1, y=2, ledger=str(ledger), options={"countdown": 1.5})
    assert desk.cancel(ready.id) == "cancelled"
    assert desk.cancel(later.id) == "cancelled"
    for blocker in blockers:
        desk.cancel(blocker.id)
    worker.stop()
    start_worker(broker_url, "threads", "celery")
    assert desk.send("add", x=1, y=1).get(WAIT) == 2
    eventually(lambda: desk.client.zcard("celeriac:delayed") == 0, "nothing waits")
    assert desk.send("add", x=1, y=1, options={"countdown": 1.6}).get(WAIT) == 2

    assert not ledger.exists()
    for id in (ready.id, later.id):
        assert desk.state(id) is State.CANCELLED
        agrees(desk, id)


def test_a_job_cancelled_while_a_worker_holds_it_unstarted_never_starts(broker_url: str) -> None:
    """The worker's fetch has it; the cancel comes; the worker dies or gives it back."""
    desk = Desk(broker_url)
    for how in ("gives back", "dies"):
        job = desk.send("add", x=1, y=2)
        [delivery] = moves.fetch(desk.client, desk.space, 1, [("celery", "celery", True)]).deliveries
        assert desk.cancel(job.id, "too late for it") == "cancelling"
        assert desk.state(job.id) is State.CANCELLING
        if how == "dies":
            desk.client.zadd("celeriac:inflight", {delivery.token: 1})
            desk.client.hset("celeriac:sweep", mapping={"last": desk.now() - 2000, "grace": 0})
        else:
            moves.put_back(desk.client, desk.space, [delivery.token])
        fetched = moves.fetch(desk.client, desk.space, 5, [("celery", "celery", True)])
        assert fetched.deliveries == []
        found = desk.read(job.id)
        assert (found.state, found.reason, found.attempts) == (State.CANCELLED, "too late for it", ())
        agrees(desk, job.id)


def test_a_start_that_is_written_through_refuses_a_cancelled_job(broker_url: str) -> None:
    desk = Desk(broker_url)
    job = desk.send("add", x=1, y=2)
    [delivery] = moves.fetch(desk.client, desk.space, 1, [("celery", "celery", True)]).deliveries
    desk.cancel(job.id)
    with pytest.raises(JobCancelled):
        Writer(desk.client, desk.space, grouped=False).begin(delivery.token, "w", tracked=True, through=True)
