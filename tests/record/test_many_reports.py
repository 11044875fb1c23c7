"""Many jobs of one process that report at full speed leave time for others."""

from __future__ import annotations

import time

import pytest

from celeriac.store import moves
from celeriac.worker.running import INTERVAL, Running
from celeriac.worker.writer import REPORTS, Writer
from tests.record.desk import Desk, eventually

JOBS = 300


@pytest.mark.slow
def test_many_jobs_that_report_at_once_share_what_a_process_may_report(broker_url: str) -> None:
    desk = Desk(broker_url)
    for n in range(JOBS):
        desk.send("add", x=n, y=2)
    tokens: list[str] = []
    while len(tokens) < JOBS:
        tokens += [d.token for d in moves.fetch(desk.client, desk.space, 64, [("celery", "celery", True)]).deliveries]
    writer = Writer(desk.client, desk.space, grouped=True)
    running = [writer.begin(token, "w@here", tracked=True, through=False) for token in tokens]

    def tell(some: list[Running]) -> float:
        for one in some:
            one.reported = time.monotonic()
            writer.progress(one.token, '{"current": 1}', "{}")
        return running[0].interval.seconds

    eventually(lambda: tell(running) == JOBS / REPORTS, "a longer interval for all")
    eventually(lambda: tell(running[:5]) == INTERVAL, "the usual one when few report")
    writer.close(5.0)
    assert desk.read(tokens[7].rpartition(":")[0]).progress == {"current": 1}
