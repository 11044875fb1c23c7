"""A caller that prefers to wait for a job's end, over HTTP."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from flask import Flask

from tests.api.served import Hand, Person


@pytest.mark.usefixtures("worker")
def test_waiting_answers_as_soon_as_the_job_has_ended(ann: Person) -> None:
    submitted = ann("POST", "/api/tasks/sum_up", {"numbers": [1, 2]}, headers={"Prefer": "wait=60"})
    shown = ann("GET", f"/api/jobs/{submitted.json['id']}", headers={"Prefer": "respond-async, wait=60"})

    assert submitted.status_code == 200
    assert submitted.headers["Preference-Applied"] == "wait=60"
    assert (submitted.json["state"], submitted.json["result"]) == ("succeeded", 3)
    assert (shown.status_code, shown.json["result"]) == (200, 3)
    assert "Retry-After" not in shown.headers
    assert "Preference-Applied" not in shown.headers  # it had ended: there was nothing to wait for


def test_waiting_in_vain_answers_as_usual(ann: Person) -> None:
    answer = ann("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert answer.json["state"] == "queued"


def test_when_every_place_to_wait_is_taken_the_preference_is_not_honoured(app: Flask, ann: Person) -> None:
    watch = app.extensions["celeriac"].api.watch
    with ExitStack() as others:
        while others.enter_context(watch.place()):
            pass
        answer = ann("POST", "/api/tasks/sum_up", {"numbers": [1]}, headers={"Prefer": "wait=60"})

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


def test_many_wait_for_one_job_and_are_all_told(app: Flask, ann: Person, hand: Hand) -> None:
    id = ann.submit()
    told: list[str] = []

    def wait() -> None:
        answer = app.test_client().get(
            f"/api/jobs/{id}", headers={"Authorization": f"Bearer {ann.token}", "Prefer": "wait=60"}
        )
        told.append(answer.json["state"])

    waiting = [threading.Thread(target=wait) for _ in range(5)]
    for thread in waiting:
        thread.start()
    hand.end(hand.start(), result=3)
    for thread in waiting:
        thread.join(60)

    assert told == ["succeeded"] * 5
