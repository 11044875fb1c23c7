"""What one may still ask of a job that the history alone remembers: the same by HTTP and on the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celeriac.job import Move
from tests.cli.conftest import Run, runner
from tests.history.asked import Asked, asked_app


@pytest.fixture
def asked(broker_url: str, database_url: str) -> Iterator[Asked]:
    with asked_app(broker_url, database_url) as made:
        yield made


@pytest.fixture
def run(asked: Asked) -> Run:
    return runner(asked.app)


def forget(asked: Asked, id: str, tombstone: str = "") -> None:
    """Let SQL have all of a job, and Redis forget it, as it does after its retention; its tombstone goes later."""
    asked.copied()
    client, keys = asked.hand.client, asked.hand.space.keys
    client.delete(*(f"{keys}{what}:{id}" for what in ("job", "gone", "log", "kept")), f"celery-task-meta-{id}")
    if tombstone:
        client.set(f"{keys}gone:{id}", tombstone)


def test_its_result_is_told(asked: Asked, run: Run) -> None:
    id = asked.ann.submit("echo", text="hello")
    asked.end(id, result="hello")
    forget(asked, id, "succeeded")

    assert asked.ann("GET", f"/api/jobs/{id}/result").json == "hello"
    assert asked.bob("GET", f"/api/jobs/{id}/result").status_code == 404
    assert run("result", id).out == '"hello"\n'
    assert run("show", id, "--json").json["result"] == "hello"


def test_a_result_of_nothing_is_one_and_a_result_too_large_is_said_to_be_gone(asked: Asked, run: Run) -> None:
    empty, large = asked.ann.submit("echo", text="a"), asked.ann.submit("echo", text="b")
    asked.end(empty, result=None)
    asked.end(large, result="x" * 70_000)
    forget(asked, empty)
    forget(asked, large)

    assert run("result", empty).out == "null\n"
    answer, said = asked.ann("GET", f"/api/jobs/{large}/result"), run("result", large)
    assert (answer.status_code, said.code) == (410, 4)
    assert answer.json["detail"] in said.err


@pytest.mark.parametrize("tombstone", ["failed", ""])
def test_it_runs_again_with_its_arguments_and_keeps_its_past(asked: Asked, tombstone: str) -> None:
    id = asked.ann.submit("echo", text="hello")
    asked.end(id, Move.FAIL, error="no")
    forget(asked, id, tombstone)
    answer = asked.ann("POST", f"/api/jobs/{id}/retry")
    assert answer.status_code == 202, answer.text
    assert asked.bob("POST", f"/api/jobs/{id}/retry").status_code == 404

    shown = asked.ann("GET", f"/api/jobs/{id}").json
    assert (shown["state"], shown["arguments"], shown["owner"]) == ("queued", {"text": "hello"}, "ann")
    asked.end(id, result="hello")
    shown = asked.ann("GET", f"/api/jobs/{id}").json
    assert (shown["state"], shown["attempt"]) == ("succeeded", 2)
    forget(asked, id)
    told = asked.ann("GET", f"/api/jobs/{id}/timeline").json["items"]
    assert [one["state"] for one in told] == ["queued", "running", "failed", "queued", "running", "succeeded"]
    assert [one["reason"] for one in told] == [None, None, None, "retried", None, None]


def test_it_runs_again_with_other_arguments_by_command(asked: Asked, run: Run) -> None:
    id = asked.ann.submit("echo", text="hello")
    asked.end(id, result="hello")
    forget(asked, id, "succeeded")
    assert run("retry", id, "times=many").code == 2
    said = run("retry", id, "text=bye", "times=2")
    assert (said.code, said.out) == (0, f"{id} queued\n")

    assert asked.ann("GET", f"/api/jobs/{id}").json["arguments"] == {"text": "bye", "times": 2}
    assert run("retry", id).code != 0  # it waits


def test_all_that_failed_run_again_though_redis_has_forgotten_some(asked: Asked, run: Run) -> None:
    ids = [asked.ann.submit("echo", text=str(i)) for i in range(2)]
    for id in ids:
        asked.end(id, Move.FAIL, error="no")
    forget(asked, ids[0], "failed")
    answer = asked.ann("POST", "/api/jobs:retry", {"task": "echo"})

    assert (answer.json["count"], answer.json["skipped"], answer.json["failed"]) == (2, 0, 0)
    assert {asked.ann("GET", f"/api/jobs/{id}").json["state"] for id in ids} == {"queued"}


def test_its_log_and_its_events_are_said_to_be_gone(asked: Asked, run: Run) -> None:
    id = asked.ann.submit("echo", text="hello")
    asked.end(id, result="hello")
    forget(asked, id)

    for path, words in (("logs", ("show", id, "--log")), ("events", ("watch", id))):
        answer, said = asked.ann("GET", f"/api/jobs/{id}/{path}"), run(*words)
        assert (answer.status_code, said.code) == (410, 4)
        assert answer.json["detail"] in said.err
        assert "is gone" in said.err
        assert asked.bob("GET", f"/api/jobs/{id}/{path}").status_code == 404


def test_it_is_deleted_from_the_history(asked: Asked, run: Run) -> None:
    ids = [asked.ann.submit("echo", text=str(i)) for i in range(2)]
    for id in ids:
        asked.end(id, result="done")
        forget(asked, id)
    assert asked.bob("DELETE", f"/api/jobs/{ids[0]}").status_code == 404
    assert asked.ann("DELETE", f"/api/jobs/{ids[0]}").status_code == 204
    assert run("delete", ids[1]).code == 0

    for id in ids:
        assert asked.ann("GET", f"/api/jobs/{id}").status_code == 410
        assert run("retry", id).code == 4
    asked.copied()
    assert asked.ids(asked.ann, task="echo") == []


def test_what_has_ended_is_not_cancelled_and_what_has_not_is_left_to_reconcile(asked: Asked, run: Run) -> None:
    ended, lost = (
        asked.ann.submit("echo", text="a"),
        asked.ann.submit("order", item="b", to={"street": "c", "zip": "12345"}),
    )
    asked.end(ended, result="done")
    forget(asked, ended)
    forget(asked, lost)

    for id, doings in ((ended, ("cancel",)), (lost, ("cancel", "retry"))):
        for doing in doings:
            answer, said = asked.ann("POST", f"/api/jobs/{id}/{doing}"), run(doing, id)
            assert answer.status_code == 409
            assert said.code == 5, said.err
            assert answer.json["detail"] in said.err
    assert asked.ann("DELETE", f"/api/jobs/{lost}").status_code == 409
