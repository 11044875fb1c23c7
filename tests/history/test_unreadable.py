"""A journal entry that makes no sense costs nobody else anything; the history goes on and says what it lacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from celeriac.history import of
from tests.cli.conftest import runner
from tests.history.conftest import House

STRANGE: list[dict[bytes, bytes]] = [
    {b"x": b"1"},
    {b"j": b"some-job", b"e": b""},
    {b"j": b"some-job", b"e": b"queued 1 soon\n"},
    {b"j": b"some-job", b"e": b"queued one  1700000000000\n"},
    {b"j": b"some-job", b"e": b"queued\xff 1  1700000000000\n"},
    {b"j": b"some-job", b"e": b"dreaming 1  1700000000000\n"},
    {b"j": b"some-job", b"e": b"queued 1  1700000000000 " + b"9" * 40},
    {b"j": b"some-job", b"e": b"queued " + b"9" * 40 + b"  1700000000000\n"},
]


@contextmanager
def rewritten(house: House, change: Callable[[bytes, dict[bytes, bytes]], dict[bytes, bytes]]) -> Iterator[None]:
    """Let what happens meanwhile enter the journal as `change` (of a job's id and an entry) makes it."""
    key = f"{house.space.keys}journal"
    before = {id for id, _ in house.client.xrange(key)}
    yield
    entries = house.client.xrange(key)
    house.client.delete(key)
    for id, words in entries:
        house.client.xadd(key, words if id in before else change(words[b"j"], words), id=id)


def gaps(house: House) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = runner(house.app)("db", "status", "--json").json["gaps"]
    return told


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_a_strange_entry_is_passed_told_once_and_noted(
    number: int, broker_url: str, tmp_path: Path, make_house_at: Callable[..., House], caplog: pytest.LogCaptureFixture
) -> None:
    house = make_house_at(f"sqlite:///{tmp_path / 'history.db'}")
    house.copy()
    before = house.submit()
    entry = house.client.xadd(f"{house.space.keys}journal", STRANGE[number]).decode()
    after = house.submit()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            house.copy()

    assert (house.states(before), house.states(after)) == (["queued"], ["queued"])
    assert sum(entry in record.getMessage() for record in caplog.records) == 1
    (gap,) = gaps(house)
    assert gap["rebuilt_at"]
    assert "1 noted" in runner(house.app)("db", "status").out
    assert [step.state for step in of(house.app).timeline(after)] == ["queued"]


def test_what_a_damaged_entry_told_is_read_from_the_record(house: House) -> None:
    house.copy()

    def damaged(job: bytes, words: dict[bytes, bytes]) -> dict[bytes, bytes]:
        return {**words, b"e": b"?"} if job == lost.encode() else words

    neighbour = house.submit()
    with rewritten(house, damaged):
        lost = house.submit("report.make", "hello", queue="io")
    house.copy()
    assert house.state(lost) == "queued"
    with rewritten(house, damaged):
        house.run(neighbour)
        house.run(lost, queue="io")
    house.copy()

    assert (house.state(neighbour), house.state(lost)) == ("succeeded", "succeeded")
    assert house.states(neighbour) == ["queued", "running", "succeeded"]
    assert [step.state for step in of(house.app).timeline(lost)] == ["gap", "gap"]
    assert all(gap["rebuilt_at"] for gap in gaps(house))
    assert house.rows(
        "SELECT state, sum(jobs) FROM celeriac_buckets WHERE width = 60 AND scope = '' GROUP BY state ORDER BY state"
    ) == [("submitted", 2), ("succeeded", 2)]


def test_what_an_entry_does_not_tell_any_more_is_read_from_the_record(house: House) -> None:
    house.copy()

    def damaged(job: bytes, words: dict[bytes, bytes]) -> dict[bytes, bytes]:
        return {**words, b"e": words[b"e"].partition(b"\n")[0] + b"\nw"} if job == lost.encode() else words

    ids = []
    with rewritten(house, damaged):
        for _ in range(20):
            ids.append(house.submit())
            house.run(ids[-1])
        lost = ids[7]
    house.copy()

    assert {house.state(id) for id in ids} == {"succeeded"}
    assert all(house.states(id) == ["queued", "running", "succeeded"] for id in ids)
    assert gaps(house) == []


def test_a_job_that_ended_and_was_forgotten_behind_a_damaged_entry_is_not_queued_again(house: House) -> None:
    id = house.submit()
    house.copy()
    with rewritten(house, lambda job, words: {**words, b"e": b"?"}):
        house.run(id)
    house.client.delete(f"{house.space.keys}job:{id}")  # its retention is over, its tombstone stands
    house.copy()

    assert house.state(id) == "succeeded"
    assert not house.fetch()


def test_another_release_that_goes_on_writing_does_not_keep_the_history_busy(house: House) -> None:
    house.copy()
    ids = []
    for _ in range(5):
        with rewritten(house, lambda job, words: {b"v": b"2", **words}):
            ids.append(house.submit())
        house.copier.step_safely()
    house.copy()

    assert {house.state(id) for id in ids} == {"queued"}
    assert len(gaps(house)) == 5
    assert all(gap["rebuilt_at"] for gap in gaps(house))
