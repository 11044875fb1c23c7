"""What a job prints, logs and warns is kept with it, in every pool."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.record.conftest import Start
from tests.record.desk import Desk, agrees


def test_every_way_of_saying_something_becomes_a_line_with_its_level_and_time(desk: Desk, lane: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    job = desk.send("talk", queue=lane)
    job.get(timeout=60)
    lines = desk.lines(job.id)

    assert [(line.level, line.text) for line in lines if "a warning" not in line.text] == [
        ("info", "printed"),
        ("info", "in pieces"),
        ("info", "two"),
        ("info", "lines"),
        ("error", "to stderr"),
        ("info", "by the task's logger, with arguments"),
        ("warning", "by another logger"),
        ("info", "without an end"),
    ]
    [warning] = [line for line in lines if "a warning" in line.text]
    assert warning.level == "warning"
    assert all(line.at and before < line.at < datetime.now(UTC) + timedelta(seconds=1) for line in lines)
    assert [line.seq for line in lines] == sorted({line.seq for line in lines})


def test_lines_over_the_cap_are_dropped_and_counted(desk: Desk, lane: str) -> None:
    job = desk.send("chatter", queue=lane, lines=3000)
    job.get(timeout=60)
    lines, found = desk.lines(job.id), desk.read(job.id)

    assert 0 < len(lines) <= 1000
    assert len(lines) + found.dropped_lines == 3000


def test_no_line_breaks_a_job_or_forges_another(desk: Desk, lane: str) -> None:
    job = desk.send("odd_lines", queue=lane)
    assert job.get(timeout=60).endswith("True")
    lines = desk.lines(job.id)

    printed = [line.text for line in lines if line.level == "info"]
    assert printed[:2] == ["forged", '{"t": 1, "l": "error", "m": "not mine"}']
    assert len(printed) == 4
    assert "--- Logging error ---" in [line.text for line in lines if line.level == "error"]
    assert max(len(line.text) for line in lines) == 2000
    agrees(desk, job.id)


def test_a_plain_celery_task_is_heard_too(desk: Desk, lane: str) -> None:
    job = desk.send("plain", queue=lane, x=2)
    assert job.get(timeout=60) == 4
    assert [line.text for line in desk.lines(job.id)] == ["plain, but heard"]


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_an_app_that_sets_up_logging_itself_is_heard_too(broker_url: str, start_worker: Start, pool: str) -> None:
    desk = Desk(broker_url)
    worker = start_worker(broker_url, pool, "celery", app="own_logging_app")
    job = desk.send("talk")
    job.get(timeout=60)
    said = [line.text for line in desk.lines(job.id)]
    assert said.count("by another logger") == 1
    assert said.count("by the task's logger, with arguments") == 1
    assert "printed" in said
    assert "own by another logger" in worker.output
