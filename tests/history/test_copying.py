"""What happens to jobs is in the history, each transition once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.history.conftest import House


def test_a_job_is_in_the_history_with_every_transition_in_order(house: House) -> None:
    id = house.submit("mail.send", "alice@example.com")
    house.run(id, '{"sent": 1}')
    house.copy()

    assert house.states(id) == ["queued", "running", "succeeded"]
    found = house.rows(
        "SELECT state, task, queue, worker, args, result, attempt FROM celeriac_jobs WHERE id = :id", id=id
    )
    assert found == [
        ("succeeded", "mail.send", "celery", "worker@test", '[["alice@example.com"], {}]', '{"sent":1}', 1)
    ]


def test_copying_between_the_transitions_changes_nothing(house: House) -> None:
    id = house.submit()
    house.copy()
    assert house.state(id) == "queued"
    house.run(id, move="fail", error='{"type": "OSError", "message": "disk full"}')
    house.copy()
    house.copy()

    assert house.states(id) == ["queued", "running", "failed"]
    assert house.state(id) == "failed"


def test_of_two_copiers_one_copies(house: House) -> None:
    house.copy()
    other = house.another_copier()

    assert not other.step_safely()
    assert not other._holds_until


def test_a_copier_whose_turn_was_taken_writes_nothing(house: House) -> None:
    house.copy()
    house.client.delete(f"{house.space.keys}hold:history")  # as if it had expired in a long pause
    other = house.another_copier()
    id = house.submit()
    other.step_safely()
    house.copier.step_safely()
    other.step_safely()
    house.copy()

    assert house.states(id) == ["queued"]


def test_more_than_a_batch_arrives_whole(house: House) -> None:
    ids = {house.submit(task_id=f"job-{i}") for i in range(1100)}
    house.copy()

    assert {row[0] for row in house.rows("SELECT id FROM celeriac_jobs")} == ids
    assert house.transitions() == {id: ["queued"] for id in ids}


def test_jobs_come_in_the_order_of_their_submission(house: House) -> None:
    ids = [house.submit() for _ in range(20)]
    house.copy()

    assert [row[0] for row in house.rows("SELECT id FROM celeriac_jobs ORDER BY n")] == ids


def test_a_deleted_job_leaves_the_history(house: House) -> None:
    id = house.submit()
    house.run(id)
    house.copy()
    from celeriac.store.record import delete

    delete(house.client, house.space, id)
    house.copy()

    assert house.state(id) is None
    assert house.transitions() == {}


def test_a_job_whose_record_is_gone_is_known_by_its_transitions(house: House) -> None:
    id = house.submit()
    house.run(id)
    house.client.delete(f"{house.space.keys}job:{id}")
    house.copy()

    assert house.states(id) == ["queued", "running", "succeeded"]
    assert house.state(id) == "succeeded"


def test_an_id_that_is_used_again_after_its_record_has_expired_keeps_both_lives(house: House) -> None:
    id = house.submit(task_id="same")
    house.run(id)
    house.copy()
    house.client.delete(f"{house.space.keys}job:{id}")
    house.submit(task_id="same")
    house.copy()

    assert house.states(id) == ["queued", "running", "succeeded", "queued"]
    assert house.state(id) == "queued"


def test_arguments_too_large_for_the_record_are_in_the_history(house: House) -> None:
    house.copy()
    house.copier._noted = 0.0
    house.copy()
    text = "x" * 50_000
    id = house.submit("mail.send", text)
    assert house.client.hlen(f"{house.space.keys}bodies") == 1
    house.copy()

    assert json.loads(house.rows("SELECT args FROM celeriac_jobs WHERE id = :id", id=id)[0][0]) == [[text], {}]
    assert house.client.hlen(f"{house.space.keys}bodies") == 0
    assert int(house.client.get(f"{house.space.keys}bodies:size")) == 0


def test_messages_left_by_a_copier_that_died_are_let_go(make_house: Callable[..., House]) -> None:
    house = make_house()
    house.copy()
    house.copier._noted = 0.0
    house.copy()
    house.submit("mail.send", "x" * 50_000)
    house.copier._left = []
    copied = house.client.hgetall(f"{house.space.keys}bodies")
    house.copy()
    house.client.hset(f"{house.space.keys}bodies", mapping=copied)  # it died after its commit
    house.copier._let_go()
    make_house().copy()

    assert house.client.hlen(f"{house.space.keys}bodies") == 0


def test_the_journal_keeps_its_last_minute_and_no_more(house: House) -> None:
    keys = house.space.keys
    old = int((time.time() - 3600) * 1000)
    pipe = house.client.pipeline(transaction=False)
    for i in range(2000):
        entry = {"j": f"old-{i}", "e": f"succeeded 1  {old}\n"}
        pipe.xadd(f"{keys}journal", entry, id=f"{old}-{i}")
    pipe.execute()
    id = house.submit()
    house.copy()

    assert house.client.xlen(f"{keys}journal") < 300  # whole nodes of a stream are trimmed
    house.run(id)
    house.copy()
    assert house.states(id) == ["queued", "running", "succeeded"]
    assert house.rows("SELECT count(*) FROM celeriac_gaps") == [(0,)]
