"""What the record costs: round trips, pipelines, memory; and that all of it is gone after its time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.job import Move
from celeriac.stack.valkey import Valkey
from celeriac.store import moves
from tests.record.conftest import Start
from tests.record.desk import Desk, eventually

pytestmark = pytest.mark.slow

WAIT = 60
JOBS = 2000
LISTS = [("celery", "celery", True)]


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Desk]:
    """A server that nobody else uses: its counts are ours."""
    server = Valkey(tmp_path / "valkey").start()
    desk = Desk(server.url)
    yield desk
    desk.celery.close()
    server.stop()


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_tiny_job_costs_one_round_trip_beyond_the_queues_own(quiet: Desk, start_worker: Start, pool: str) -> None:
    """Start, line, result, record, journal and acknowledgement together; those of many jobs share even that one."""
    start_worker(quiet.url, pool, "celery")
    quiet.send("plain", x=1).get(WAIT)
    with quiet.counting() as one_by_one:
        for i in range(30):
            job = quiet.send("plain", x=i)
            eventually(lambda id=job.id: quiet.state(id) == "succeeded", "its end", WAIT)  # type: ignore[misc]
    assert one_by_one["finish"] == 30
    assert one_by_one["start"] + one_by_one["report"] + one_by_one["settle"] <= 3, one_by_one

    with quiet.counting() as together:
        jobs = [quiet.send("plain", x=i) for i in range(300)]
        for job in jobs:
            eventually(lambda id=job.id: quiet.state(id) == "succeeded", "its end", WAIT)  # type: ignore[misc]
    own = sum(together[move] for move in ("start", "report", "finish", "settle"))
    assert own <= 300, together
    assert [line.text for line in quiet.lines(jobs[0].id)] == ["plain, but heard"]


def test_a_job_that_reports_all_the_time_writes_at_most_twenty_times_a_second(quiet: Desk, start_worker: Start) -> None:
    start_worker(quiet.url, "threads", "celery")
    quiet.send("plain", x=1).get(WAIT)
    with quiet.counting() as seen:
        job = quiet.send("reports", seconds=2.0)
        said = job.get(WAIT)
    found = quiet.read(job.id)
    assert found.started_at is not None
    assert found.finished_at is not None
    seconds = (found.finished_at - found.started_at).total_seconds()
    assert seen["report"] <= 20 * seconds + 2
    assert said > 200
    assert len(quiet.lines(job.id)) + found.dropped_lines == said


def test_a_queued_job_takes_at_most_1600_bytes_and_a_finished_tiny_one_1000(quiet: Desk) -> None:
    finish_all(quiet, send(quiet, 50))
    empty = used(quiet)
    ids = send(quiet, JOBS)
    queued = (used(quiet) - empty) / JOBS
    finish_all(quiet, ids)
    finished = (used(quiet) - empty) / JOBS
    assert queued <= 1600, f"{queued:.0f} bytes: {where(quiet)}"
    assert finished <= 1000, f"{finished:.0f} bytes: {where(quiet)}"


def test_all_of_a_job_is_gone_after_its_time(quiet: Desk) -> None:
    """Succeeded, failed, cancelled, with lines, retried, in a chain: time travels by PEXPIRE."""
    finish_all(quiet, send(quiet, 3))
    failed = quiet.send("add", x=1, y=2)
    [delivery] = moves.fetch(quiet.client, quiet.space, 1, LISTS).deliveries
    moves.report(quiet.client, quiet.space, 10, [moves.Report(delivery.token, '{"current": 1}', "{}", ["a line"])])
    moves.finish(quiet.client, quiet.space, moves.Finish(failed.id, Move.FAIL, 1, "{}"))
    chain = quiet.task("add").s(1, 1) | quiet.task("add").s(1)
    for sent in (quiet.send("add", x=1, y=2, options={"countdown": 60}), chain.apply_async().parent):
        quiet.cancel(sent.id)
    assert len(moves.fetch(quiet.client, quiet.space, 9, LISTS).dropped) == 1
    for key in quiet.client.scan_iter():
        if quiet.client.pttl(key) > 0:
            quiet.client.pexpire(key, 1)
    eventually(lambda: not list(quiet.client.scan_iter("celeriac:job:*")), "the records are gone")
    eventually(lambda: not list(quiet.client.scan_iter("celery-task-meta-*")), "the results are gone")
    left = {key.decode() for key in quiet.client.scan_iter()}
    assert {name for name in left if any(id in name for id in (failed.id, chain.id or "no id"))} == set()
    known = {"stats", "totals", "pushed", "popped", "sweep", "journal", "bell:celery", "delayed:count", "strangers"}
    assert left - {f"celeriac:{name}" for name in known} - {n for n in left if n.startswith("_kombu.")} == set()


def send(desk: Desk, n: int) -> list[str]:
    return [desk.send("add", x=i, y=i).id for i in range(n)]


def finish_all(desk: Desk, ids: list[str]) -> None:
    left = set(ids)
    while left:
        for delivery in moves.fetch(desk.client, desk.space, 64, LISTS).deliveries:
            id, _, fence = delivery.token.rpartition(":")
            meta = {
                "status": "SUCCESS", "result": 3, "traceback": None, "children": [],
                "date_done": "2026-09-01T12:00:00.000000+00:00", "task_id": id,
            }  # fmt: skip
            end = moves.Finish(id, Move.SUCCEED, int(fence), json.dumps(meta), 0.002, "default@a-host-name")
            assert moves.finish(desk.client, desk.space, end) == "ok"
            left.discard(id)


def used(desk: Desk) -> int:
    return int(desk.client.info("memory")["used_memory_dataset"])


def where(desk: Desk) -> dict[str, int]:
    """Return the bytes of each kind of key."""
    kinds: dict[str, int] = {}
    for key in desk.client.scan_iter(count=1000):
        kind = ":".join(key.decode().split(":")[:2])[:24]
        kinds[kind] = kinds.get(kind, 0) + int(desk.client.memory_usage(key, samples=0) or 0)
    return kinds
