"""Jobs that wait for their parent are known, and end with it. No worker runs here: the test is the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult

from celeriac.job import State
from celeriac.store import moves
from tests.record.desk import Desk, agrees
from tests.record.steps import fetch, finish, ready, take


def ids_of(result: Any) -> set[str]:
    """Return the ids of a result, of its parents and of what is in its groups."""
    found: set[str] = set()
    while result is not None:
        if isinstance(result, AsyncResult):
            found.add(result.id)
        for inner in getattr(result, "results", None) or ():
            found |= ids_of(inner)
        result = result.parent
    return found


def canvases(desk: Desk) -> dict[str, Any]:
    add, total = desk.task("add"), desk.task("total")
    pair = [add.s(1, 1), add.s(2, 2)]
    return {
        "chain": chain(add.s(1, 1), add.s(2), add.s(3)),
        "chord": chord(pair, total.s()),
        "chain with a chord": chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s(), add.s(3)),
        "chord with a chain as its body": chord(pair, chain(total.s(), add.s(1))),
        "chord in a chord": chord([chain(add.s(1, 1), group(add.s(1), add.s(2)) | total.s()), add.s(1, 1)], total.s()),
        "chain in a chord": chord([chain(add.s(1, 1), add.s(2)), add.s(3, 3)], total.s()),
        "group of chains": group(chain(add.s(1, 1), add.s(2)), chain(add.s(3, 3), add.s(4))),
    }


NAMES = [
    "chain", "chord", "chain with a chord", "chord with a chain as its body", "chord in a chord", "chain in a chord",
    "group of chains",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_id_that_a_caller_gets_is_known_at_once(own: Desk, name: str) -> None:
    result = canvases(own)[name].apply_async()
    published = ready(own)
    records = {id: own.read(id) for id in ids_of(result)}
    waiting = [r for r in records.values() if r.state is State.SCHEDULED]
    assert [r.reason for r in waiting] == ["after its parent"] * len(waiting)
    assert len([r for r in records.values() if r.state is State.QUEUED]) == published
    assert len(records) == published + len(waiting)
    assert all(r.task.startswith("tests.record.jobs.") for r in records.values())
    assert waiting or name == "group"


@pytest.mark.parametrize(("how", "state"), [("cancelled", "cancelled"), ("lost", "failed")])
def test_what_follows_a_cancelled_or_lost_parent_ends_with_it(own: Desk, how: str, state: str) -> None:
    result = canvases(own)["chain with a chord"].apply_async()
    first = next(id for id in ids_of(result) if own.read(id).state is State.QUEUED)
    if how == "cancelled":
        own.cancel(first)
    else:
        space = moves.Space(max_losses=1)
        token = take(own)
        moves.put_back(own.client, space, [token], "worker lost", True)
    assert own.read(first).state == how
    for id in ids_of(result) - {first}:
        found = own.read(id)
        assert (found.state, found.reason) == (state, f"its parent is {how}")
        assert own.client.pttl(f"celeriac:job:{id}") > 0
        agrees(own, id)


def test_a_retry_of_a_cancelled_parent_lets_its_chain_wait_again(own: Desk) -> None:
    result = canvases(own)["chain"].apply_async()
    first = result.parent.parent.id
    own.cancel(first)
    own.retry(first)
    for id in (result.id, result.parent.id):
        found = own.read(id)
        assert (found.state, found.reason, found.finished_at) == (State.SCHEDULED, "after its parent", None)
        assert own.meta(id) == {}
    own.send("add", x=1, y=2, options={"task_id": result.parent.id, "parent_id": first})
    assert own.read(result.parent.id).state is State.QUEUED


def test_a_follower_that_was_cancelled_is_not_queued_when_its_parent_is_done(own: Desk) -> None:
    result = canvases(own)["chain"].apply_async()
    assert own.cancel(result.parent.id) == "cancelled"
    before = ready(own)
    own.send("add", x=1, y=2, options={"task_id": result.parent.id, "parent_id": result.parent.parent.id})
    assert ready(own) == before
    assert own.read(result.parent.id).state is State.CANCELLED


def test_a_retry_of_a_succeeded_parent_leaves_its_chain_as_it_ended(own: Desk) -> None:
    result = canvases(own)["chain"].apply_async()
    first, second = result.parent.parent.id, result.parent.id
    finish(own, take(own))
    own.send("add", x=1, y=2, options={"task_id": second, "parent_id": first})
    finish(own, take(own))
    own.retry(first)
    assert own.read(second).state is State.SUCCEEDED
    assert own.read(first).state is State.QUEUED


@pytest.mark.parametrize("seen", [False, True])
def test_a_job_cancelled_while_it_was_ready_is_retried_whole(own: Desk, seen: bool) -> None:
    result = canvases(own)["chain"].apply_async()
    first = result.parent.parent.id
    own.cancel(first)
    if seen:  # a worker came across its message and dropped it
        assert len(fetch(own).dropped) == 1
    own.retry(first)
    own.cancel(first)
    own.retry(first)
    [delivery] = fetch(own, 5).deliveries
    assert len(json.loads(json.loads(delivery.raw)["body"])[2]["chain"]) == 2
    assert own.state(result.id) is State.SCHEDULED
