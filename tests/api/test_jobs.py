"""A job over HTTP: submitted, looked at, cancelled, retried, forgotten."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from celeriac.api.shapes import Job
from celeriac.job import Move
from tests.api.served import Hand, Person


def test_submitting_answers_202_with_the_job_and_its_address(ann: Person) -> None:
    answer = ann("POST", "/api/tasks/sum_up", {"numbers": [1, 2.5]})

    assert answer.status_code == 202
    job = Job.model_validate(answer.json)
    assert uuid.UUID(job.id)
    assert (job.task, job.state, job.queue, job.owner) == ("sum_up", "queued", "celery", "ann")
    assert job.arguments == {"numbers": [1, 2.5]}
    assert answer.headers["Location"] == f"/api/jobs/{job.id}"
    assert int(answer.headers["Retry-After"]) > 0


def test_the_job_at_its_address_says_why_it_waits(ann: Person) -> None:
    id = ann.submit()

    answer = ann("GET", f"/api/jobs/{id}")

    assert answer.status_code == 200
    job = Job.model_validate(answer.json)
    assert job.waiting is not None
    assert job.waiting.reason == "no_worker"
    assert answer.headers["Retry-After"] == "1"


def test_the_same_version_is_not_sent_twice(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    hand.end(hand.start(), result=3)
    first = ann("GET", f"/api/jobs/{id}")

    again = ann("GET", f"/api/jobs/{id}", headers={"If-None-Match": first.headers["ETag"]})
    other = ann("GET", f"/api/jobs/{id}", headers={"If-None-Match": '"older"'})

    assert (again.status_code, again.get_data()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert other.status_code == 200


def test_an_id_that_was_never_submitted_is_404_and_a_forgotten_one_410(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    hand.end(hand.start(), result=3)

    assert ann("GET", f"/api/jobs/{uuid.uuid4()}").status_code == 404
    assert ann("DELETE", f"/api/jobs/{id}").status_code == 204
    assert ann("GET", f"/api/jobs/{id}").status_code == 410


def test_a_whole_submission_is_scheduled_elsewhere(ann: Person) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    body = {"task": "sum_up", "arguments": {"numbers": [1]}, "run_at": at.isoformat(), "queue": "other", "priority": 3}

    answer = ann("POST", "/api/jobs", body)

    assert answer.status_code == 202
    assert (answer.json["state"], answer.json["queue"]) == ("scheduled", "other")
    shown = ann("GET", answer.headers["Location"])
    assert (shown.json["state"], shown.json["queue"], shown.json["waiting"]["reason"]) == (
        "scheduled",
        "other",
        "scheduled",
    )
    assert int(shown.headers["Retry-After"]) == 60


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"delay": "5"}, "/delay"),
        ({"delay": -1}, "/delay"),
        ({"delay": 1e300}, "/delay"),
        ({"delay": True}, "/delay"),
        ({"run_at": "tomorrow"}, "/run_at"),
        ({"run_at": "2030-01-01T00:00:00"}, "/run_at"),
        ({"run_at": "2530-01-01T00:00:00Z"}, "/run_at"),
        ({"delay": 1, "run_at": "2030-01-01T00:00:00Z"}, "/run_at"),
        ({"queue": "a b"}, "/queue"),
        ({"queue": ""}, "/queue"),
        ({"queue": 7}, "/queue"),
        ({"priority": 10}, "/priority"),
        ({"priority": 1.5}, "/priority"),
        ({"arguments": [1]}, "/arguments"),
        ({"arguments": {"numbers": ["x"]}}, "/numbers/0"),
        ({"callback": "x"}, "/callback"),
        ({"task": None}, "/task"),
    ],
)
def test_each_part_of_a_submission_is_checked(ann: Person, hand: Hand, given: dict[str, object], pointer: str) -> None:
    answer = ann("POST", "/api/jobs", {"task": "sum_up", "arguments": {"numbers": [1]}, **given})

    assert answer.status_code == 422
    assert pointer in {entry["pointer"] for entry in answer.json["errors"]}
    assert not hand.take("celery")


def test_a_job_that_waits_is_cancelled_at_once_and_a_running_one_told(ann: Person, hand: Hand) -> None:
    waits, runs = ann.submit(), ann.submit("echo", text="x")
    first = ann("POST", f"/api/jobs/{waits}/cancel")
    assert hand.take() == []  # the cancelled one is not handed out
    token = hand.start()

    told = ann("POST", f"/api/jobs/{runs}/cancel")

    assert (first.status_code, first.json["state"]) == (200, "cancelled")
    assert ann("POST", f"/api/jobs/{waits}/cancel").status_code == 200
    assert (told.status_code, told.json["state"]) == (202, "cancelling")
    hand.end(token, Move.CANCELLED)
    assert ann("GET", f"/api/jobs/{runs}").json["state"] == "cancelled"


def test_a_job_that_has_ended_otherwise_is_not_cancelled(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    hand.end(hand.start(), result=3)

    answer = ann("POST", f"/api/jobs/{id}/cancel")

    assert answer.status_code == 409
    assert answer.json["type"] == "urn:celeriac:problem:conflict"


def test_a_job_is_retried_with_other_arguments_and_keeps_its_history(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    hand.end(hand.start(), Move.FAIL, error="no")

    answer = ann("POST", f"/api/jobs/{id}/retry", {"arguments": {"numbers": [5]}})

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/jobs/{id}"
    assert (answer.json["id"], answer.json["state"], answer.json["arguments"]) == (id, "queued", {"numbers": [5]})
    hand.end(hand.start(), result=5)
    job = ann("GET", f"/api/jobs/{id}").json
    assert (job["state"], job["result"], job["arguments"]) == ("succeeded", 5, {"numbers": [5]})
    assert job["owner"] == "ann"
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed", "succeeded"]


def test_what_is_edited_wrong_or_still_runs_is_not_retried(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    assert ann("POST", f"/api/jobs/{id}/retry").status_code == 409
    hand.end(hand.start(), Move.FAIL, error="no")

    assert ann("POST", f"/api/jobs/{id}/retry", {"arguments": {"numbers": "x"}}).status_code == 422
    assert ann("POST", f"/api/jobs/{id}/retry", {"argument": {}}).status_code == 422
    assert ann("POST", f"/api/jobs/{id}/retry", data="{}", content_type="text/plain").status_code == 415
    assert ann("GET", f"/api/jobs/{id}").json["state"] == "failed"
    assert ann("POST", f"/api/jobs/{id}/retry").status_code == 202


def test_a_job_that_has_not_ended_is_not_forgotten(ann: Person) -> None:
    id = ann.submit()

    assert ann("DELETE", f"/api/jobs/{id}").status_code == 409
    assert ann("GET", f"/api/jobs/{id}").status_code == 200


def test_a_large_result_has_an_address_of_its_own(ann: Person, hand: Hand) -> None:
    small, large = ann.submit(), ann.submit()
    hand.end(hand.start(), result="x" * 1000)
    hand.end(hand.start(), result="x" * 100_000)

    shown = ann("GET", f"/api/jobs/{large}").json
    whole = ann("GET", shown["links"]["result"])

    assert shown["result"] is None
    assert whole.json == "x" * 100_000
    assert ann("GET", shown["links"]["result"], headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert ann("GET", f"/api/jobs/{small}").json["result"] == "x" * 1000
    assert "result" not in ann("GET", f"/api/jobs/{small}").json["links"]


def test_a_job_without_a_result_has_none_to_show(ann: Person) -> None:
    assert ann("GET", f"/api/jobs/{ann.submit()}/result").status_code == 409


def test_what_a_job_printed_is_its_log(ann: Person, hand: Hand) -> None:
    id = ann.submit()
    line = json.dumps({"t": 1764000000000, "l": "info", "m": "Step 1\nof 2"})
    hand.say(hand.start(), line)

    as_json = ann("GET", f"/api/jobs/{id}/logs").json
    as_text = ann("GET", f"/api/jobs/{id}/logs", headers={"Accept": "text/plain"})
    later = ann("GET", f"/api/jobs/{id}/logs?after={as_json['items'][-1]['seq']}").json

    assert [(line["level"], line["text"]) for line in as_json["items"]] == [("info", "Step 1\nof 2")]
    assert as_json["dropped"] == 0
    assert as_text.mimetype == "text/plain"
    assert re.fullmatch(r"\S+ \S+ info Step 1\\nof 2\n", as_text.text)  # a line cannot forge another one
    assert later["items"] == []


def test_a_request_is_known_by_its_id_from_the_answer_to_the_record(ann: Person, hand: Hand) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = ann("POST", "/api/tasks/echo", {"text": "x"}, headers={"X-Request-ID": "shop-17", "traceparent": trace})
    [delivery] = hand.take()
    headers = json.loads(delivery.raw)["headers"]

    assert (answer.headers["X-Request-ID"], answer.headers["traceparent"]) == ("shop-17", trace)
    assert ann("GET", answer.headers["Location"]).json["request_id"] == "shop-17"
    assert (headers["celeriac_request"], headers["traceparent"]) == ("shop-17", trace)
    for bad in ("", "a b", "x" * 101, "é"):
        made = ann("GET", "/api/tasks", headers={"X-Request-ID": bad, "traceparent": "00-0-0-0"})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["X-Request-ID"])
        assert "traceparent" not in made.headers


def test_an_equal_job_that_is_unique_is_the_one_there_is(ann: Person, bob: Person) -> None:
    first, second, other = (ann("POST", "/api/tasks/once_a_minute", {"text": text}) for text in ("x", "x", "y"))
    bobs = bob("POST", "/api/tasks/once_a_minute", {"text": "x"})

    assert second.status_code == 202
    assert second.json["id"] == first.json["id"]
    assert second.headers["Location"] == first.headers["Location"]
    assert len({first.json["id"], other.json["id"], bobs.json["id"]}) == 3


@pytest.mark.usefixtures("worker")
def test_every_kind_of_argument_reaches_the_function(ann: Person) -> None:
    body = {"item": "tea", "to": {"street": "Elm 1", "zip": "12345"}, "size": "large", "on": "2026-11-22", "count": 2}

    job = ann("POST", "/api/tasks/order", body, headers={"Prefer": "wait=60"}).json

    assert job["result"] == {"item": "tea", "to": "Elm 1", "size": "large", "on": "2026-11-22", "count": 2}
    assert job["queue"] == "orders"


def test_a_task_says_what_it_takes(ann: Person) -> None:
    task = ann("GET", "/api/tasks/order").json

    assert list(task["schema"]["properties"]) == ["item", "to", "size", "on", "count"]
    assert task["description"].endswith("The longer description.")
    assert task in ann("GET", "/api/tasks").json["items"]
    assert ann("GET", "/api/tasks/ordr").json["hint"] == "Did you mean 'order'?"
