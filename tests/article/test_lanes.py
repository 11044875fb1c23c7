"""The article's point: long work does not hold up the rest. Two lanes and Gunicorn, as `up` runs them."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.article.running import Web

LONG = 6

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("lanes")]


def test_while_long_tasks_run_other_requests_answer_and_a_short_job_is_done(gunicorn: Web, app: Flask) -> None:
    long_ones = [gunicorn("POST", "/longtask", {"steps": 400, "seconds": 0.05}).json["task_id"] for _ in range(LONG)]
    for task_id in long_ones:
        gunicorn.reaches(task_id, "PROGRESS")

    short = gunicorn("POST", "/add", {"x": 20, "y": 22}).json["task_id"]
    done = gunicorn.finishes(short)

    assert done == {"state": "SUCCESS", "result": 42}
    assert gunicorn("GET", "/primes/100").json["primes"] == 25
    states = [gunicorn("GET", f"/status/{task_id}").json["state"] for task_id in long_ones]
    assert states == ["PROGRESS"] * LONG

    app.extensions["celery"].control.revoke(long_ones)
    for task_id in long_ones:
        gunicorn.reaches(task_id, "REVOKED")
