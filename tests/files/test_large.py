"""A result too large for Redis is in a file of its job, and comes back as the value it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import chain, chord, group
from flask import Flask

from celeriac.errors import UnknownFile
from celeriac.store.files import Files
from tests.api.served import Person
from tests.files.studio import RESULT_LIMIT, much, say_again
from tests.files.test_results import done

pytestmark = pytest.mark.usefixtures("working")
MANY = 5000


def test_a_large_result_is_fetched_and_given_back(studio: Flask, ann: Person, shelf: Files) -> None:
    job = done(ann, "much", items=MANY)
    size = len(json.dumps(list(range(MANY)), separators=(",", ":")))

    assert job["state"] == "succeeded"
    assert job["result_file"] == {"name": "result.json", "media_type": "application/json", "size": size}
    answer = ann("GET", job["links"]["result"])
    assert (answer.mimetype, answer.json) == ("application/json", list(range(MANY)))
    celery = studio.extensions["celery"]
    assert celery.AsyncResult(job["id"]).get(10) == list(range(MANY))
    assert len(celery.client.get(f"celery-task-meta-{job['id']}")) < RESULT_LIMIT
    kept = shelf.find(job["result"]["file"])
    assert (kept.owner, kept.jobs) == ("ann", (job["id"],))


def test_the_state_is_told_without_the_file_and_the_value_is_not(studio: Flask, ann: Person, shelf: Files) -> None:
    job = done(ann, "much", items=MANY)
    shelf.remove(job["result"]["file"])
    found: Any = studio.extensions["celery"].AsyncResult(job["id"])

    assert found.state == "SUCCESS"
    with pytest.raises(UnknownFile):
        found.get(10)
    assert ann("GET", job["links"]["result"]).status_code == 410


def test_beyond_the_limit_of_files_it_is_a_failure(ann: Person, shelf: Files) -> None:
    job = done(ann, "much", items=50_000)

    assert (job["state"], job["error"]["type"]) == ("failed", "EncodeError")
    assert not [path for path in shelf.folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_small_result_stays_in_redis(ann: Person, shelf: Files) -> None:
    job = done(ann, "much", items=10)

    assert (job["result"], job["result_file"]) == (list(range(10)), None)
    assert not [*shelf.folder.rglob("*")]


def test_a_group_gives_its_large_results_back_and_a_chain_hands_them_on(studio: Flask) -> None:
    with studio.app_context():
        both = group([much.s(MANY), much.s(3)])()
        handed_on = chain(much.s(MANY), say_again.s())()

    assert both.get(30) == [list(range(MANY)), [0, 1, 2]]
    assert handed_on.get(30) == list(range(MANY))


def test_a_part_of_a_chord_stays_within_the_limit(studio: Flask) -> None:
    with studio.app_context():
        whole = chord([much.s(MANY)])(much.si(1))

    assert "EncodeError" in repr(whole.get(30, propagate=False))
