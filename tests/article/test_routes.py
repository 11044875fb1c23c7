"""The article's routes, asked of `python run.py` with `./celery_worker.sh` behind it."""

from __future__ import annotations

import uuid

import pytest

from tests.article.running import Program, Web

pytestmark = pytest.mark.usefixtures("worker")


def test_add_answers_202_and_its_sum_is_found_under_its_status(web: Web) -> None:
    answer = web("POST", "/add", {"x": 1, "y": 2})

    assert answer.status == 202
    assert list(answer.json) == ["task_id", "status"]
    assert answer.json["status"] == "Task submitted!"
    assert web.finishes(answer.json["task_id"]) == {"state": "SUCCESS", "result": 3}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_longtask_says_its_steps_and_ends_with_task_complete(web: Web, worker: Program, method: str) -> None:
    answer = web(method, "/longtask?steps=3&seconds=0")

    assert answer.status == 202
    assert answer.json["status"] == "Long task submitted!"
    assert web.finishes(answer.json["task_id"]) == {"state": "SUCCESS", "result": "Task complete!"}
    for step in range(3):
        worker.says(f"Running step {step}...")


def test_longtask_takes_its_arguments_as_a_form_or_as_json(web: Web, worker: Program) -> None:
    by_form = web("POST", "/longtask", form={"steps": "7", "seconds": "0.001"})
    by_json = web("POST", "/longtask", {"steps": 8, "seconds": 0.001})

    for answer in (by_form, by_json):
        assert answer.status == 202
        assert web.finishes(answer.json["task_id"])["state"] == "SUCCESS"
    worker.says("Running step 7...")


def test_a_running_job_says_how_far_it_is(web: Web) -> None:
    answer = web("POST", "/longtask", {"steps": 40, "seconds": 0.05})

    told = web.reaches(answer.json["task_id"], "PROGRESS")

    assert told.keys() == {"state", "status"}
    assert told["status"].endswith(" of 40")


def test_an_id_that_was_never_submitted_is_not_found(web: Web) -> None:
    answer = web("GET", f"/status/{uuid.uuid4()}")

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Unknown job"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/add", b""),
        ("/add", b"null"),
        ("/add", b"[]"),
        ("/add", b'"hi"'),
        ("/add", b"{}"),
        ("/add", b"{"),
        ("/add", b'{"x": 1}'),
        ("/add", b'{"x": 1, "y": "2"}'),
        ("/add", b'{"x": 1, "y": NaN}'),
        ("/add", b'{"x": 1, "y": 1e400}'),
        ("/add", b'{"x": 1, "y": 2, "z": 3}'),
        ("/add", b"[" * 100_000),
        ("/add", b'"' + b"a" * 1_000_000 + b'"'),
        ("/longtask", b'{"steps": "three"}'),
        ("/longtask", b'{"seconds": null}'),
    ],
)
def test_bad_input_is_refused_with_a_problem_before_anything_is_queued(web: Web, path: str, body: bytes) -> None:
    answer = web("POST", path, raw=body, headers={"Content-Type": "application/json"})

    assert answer.status in (400, 413, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "task_id" not in answer.json


@pytest.mark.parametrize("words", ["steps=three", "steps=1.5", "seconds=soon", "seconds=NaN", "hours=1"])
def test_bad_words_in_a_query_are_refused_too(web: Web, words: str) -> None:
    answer = web("GET", f"/longtask?{words}")

    assert answer.status == 422
    assert answer.json["errors"]


def test_add_takes_json_alone(web: Web) -> None:
    assert web("POST", "/add", form={"x": "1", "y": "2"}).status == 415


def test_a_head_request_starts_nothing(web: Web) -> None:
    answer = web("HEAD", "/longtask?steps=1&seconds=0")

    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"


def test_the_cached_route_answers_the_same_twice(web: Web) -> None:
    first, second = web("GET", "/primes/1000"), web("GET", "/primes/1000")

    assert first.json == second.json == {"below": 1000, "primes": 168}


def test_every_error_is_a_problem(web: Web) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/add", 405)):
        answer = web(method, path)
        assert (answer.status, answer.json["status"]) == (status, status)
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_failing_job_says_so(web: Web) -> None:
    answer = web("POST", "/longtask", {"steps": 1, "seconds": -1})

    told = web.finishes(answer.json["task_id"])

    assert told["state"] == "FAILURE"
    assert "non-negative" in told["status"]


def test_submitting_does_not_wait_for_the_job(web: Web) -> None:
    answer = web("POST", "/longtask", {"steps": 20, "seconds": 0.05})
    task_id = answer.json["task_id"]

    assert web("GET", f"/status/{task_id}").json["state"] != "SUCCESS"
    assert web.finishes(task_id)["state"] == "SUCCESS"
