"""What Redis refuses for the keys of one job is the end of that one, told and kept; nobody waits for it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from celery.exceptions import TaskRevokedError

from celeriac.job import State
from celeriac.store import dead, moves
from tests.record.desk import Desk, eventually
from tests.record.steps import LISTS, fetch, ready, take


def begun(desk: Desk, lane: str, ledger: Path) -> Any:
    """Return a job that runs for a second, once it does."""
    job = desk.send("deaf", queue=lane, seconds=1, ledger=str(ledger))
    eventually(lambda: ledger.exists() and "began" in ledger.read_text(), "its start")
    desk.reaches(job.id, "running")
    return job


def test_an_end_that_cannot_be_written_holds_up_no_other(desk: Desk, lane: str, tmp_path: Path) -> None:
    broken = begun(desk, lane, tmp_path / "ledger")
    desk.client.set(f"celeriac:job:{broken.id}", "no record")
    others = [desk.send("add", queue=lane, x=i, y=1) for i in range(20)]

    assert [job.get(60) for job in others] == [i + 1 for i in range(20)]
    with pytest.raises(WorkerLostError, match="cannot be written"):
        broken.get(60)
    letter = dead.find(desk.client, desk.space, broken.id)
    assert letter is not None
    assert letter.reason == "its end cannot be written"
    assert [token for token in desk.in_flight() if token.startswith(broken.id)] == []
    assert desk.send("add", queue=lane, x=1, y=2).get(60) == 3
    desk.client.delete(f"celeriac:job:{broken.id}")


def test_a_log_that_cannot_be_written_costs_its_job_nothing_else(desk: Desk, threads: str) -> None:
    id = str(uuid.uuid4())
    desk.client.set(f"celeriac:log:{id}", "no list", ex=600)
    desk.send("steps", queue=threads, count=5, seconds=0.1, options={"task_id": id})
    others = [desk.send("chatter", queue=threads, lines=3) for _ in range(5)]

    assert desk.reaches(id).state is State.SUCCEEDED
    for job in others:
        job.get(60)
        assert len(desk.lines(job.id)) == 3


def test_what_utf_8_cannot_carry_is_written_without_it(desk: Desk, lane: str) -> None:
    job = desk.send("ignores_in_half_a_word", queue=lane)
    with pytest.raises(TaskRevokedError):
        job.get(60)
    assert desk.reaches(job.id).reason.startswith("ignored: half of")


def test_a_delivery_whose_record_is_damaged_goes_to_the_dead_letters_when_it_comes_back(own: Desk) -> None:
    job = own.send("add", x=1, y=2)
    token = take(own)
    own.client.set(f"celeriac:job:{job.id}", "no record")
    assert [id for id, _ in moves.put_back(own.client, own.space, [token], "worker stopped")] == [job.id]

    letter = dead.find(own.client, own.space, job.id)
    assert letter is not None
    assert letter.reason == "its record is damaged"
    assert (ready(own), own.in_flight()) == (0, [])


def test_a_damaged_record_costs_no_other_job_its_lease_or_its_turn(own: Desk) -> None:
    jobs = [own.send("add", x=1, y=2) for _ in range(2)]
    early = own.send("add", x=1, y=2, options={"countdown": 0.01})
    held = [delivery.token for delivery in fetch(own, 2).deliveries]
    for id in (jobs[0].id, early.id):
        own.client.set(f"celeriac:job:{id}", "no record")
    own.client.zadd("celeriac:inflight", dict.fromkeys(held, 1))
    eventually(lambda: own.now() > own.client.zrange("celeriac:delayed", 0, -1, withscores=True)[0][1], "it is due")
    tended = moves.tend(own.client, own.space, held, "w")

    assert (tended.gone, tended.cancelled) == ([], [])
    assert all(own.client.zscore("celeriac:inflight", token) > own.now() for token in held)
    late = own.send("add", x=1, y=2)
    assert [d.token.rpartition(":")[0] for d in moves.fetch(own.client, own.space, 5, LISTS, held).deliveries] == [
        late.id
    ]
    assert dead.find(own.client, own.space, "unreadable-1") is not None
