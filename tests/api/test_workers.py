"""Workers over HTTP: another size of their pool, and their end, seen from real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.served import Person
from tests.article.running import Program, eventually
from tests.steering.steered import make_app

pytestmark = pytest.mark.slow

KINDS = {"forks": ("prefork", "celery"), "threads": ("threads", "io"), "alone": ("solo", "letters")}


@pytest.fixture(scope="module")
def olga(valkey: Any, _numbers: Iterator[int]) -> Person:
    """An operator of an app of this file's own."""
    return Person(make_app(f"{valkey.url.removesuffix('/0')}/{next(_numbers)}"), "olga", "operate")


@pytest.fixture(scope="module")
def programs(olga: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    """A worker of each kind."""
    folder: Path = tmp_path_factory.mktemp("workers")
    env = {"BROKER_URL": olga.client.application.config["BROKER_URL"]}
    started = {
        name: Program(
            ["celery", "-A", "tests.steering.worker_app", "worker", "-P", pool, "-Q", queue, "-c", "2",
             "-n", f"{name}@test", "-l", "INFO"], folder / f"{name}.log", env,
        )
        for name, (pool, queue) in KINDS.items()
    }  # fmt: skip
    for name, program in started.items():
        program.says(f"{name}@test ready")
    eventually(lambda: len(listed(olga)) == len(KINDS), "the workers on the list")
    yield started
    for program in started.values():
        program.stop()


def listed(olga: Person) -> dict[str, Any]:
    return {one["name"]: one for one in olga("GET", "/api/workers").json["items"]}


def size(olga: Person, name: str, wanted: object) -> Any:
    return olga("POST", f"/api/workers/{name}/pool", {"size": wanted})


def running(olga: Person) -> str:
    id: str = olga("POST", "/api/tasks/steered_stay", {}).json["id"]
    eventually(lambda: olga("GET", f"/api/jobs/{id}").json["state"] == "running", "its start")
    return id


def cancelled(olga: Person, id: str) -> None:
    olga("POST", f"/api/jobs/{id}/cancel")
    eventually(lambda: olga("GET", f"/api/jobs/{id}").json["state"] == "cancelled", "its end")


def test_a_pool_of_processes_grows_and_shrinks(olga: Person, programs: dict[str, Program]) -> None:
    answer = size(olga, "forks@test", 4)

    assert (answer.status_code, answer.json["concurrency"]) == (200, 4)
    eventually(lambda: listed(olga)["forks@test"]["concurrency"] == 4, "four on the list")
    ids = [running(olga) for _ in range(4)]  # all four at once
    for id in ids:
        cancelled(olga, id)
    assert size(olga, "forks@test", 1).json["concurrency"] == 1


def test_a_pool_shrinks_by_what_is_idle_and_says_that_the_rest_is_busy(
    olga: Person, programs: dict[str, Program]
) -> None:
    assert size(olga, "forks@test", 3).status_code == 200
    ids = [running(olga), running(olga)]

    answer = size(olga, "forks@test", 1)

    assert answer.status_code == 409
    assert "It has 2 now: the others are busy." in answer.json["hint"]
    for id in ids:
        cancelled(olga, id)
    eventually(lambda: size(olga, "forks@test", 1).status_code == 200, "the rest")
    assert all(olga("GET", f"/api/jobs/{id}").json["attempt"] == 1 for id in ids)


@pytest.mark.parametrize(("name", "why"), [("threads", "has a fixed size"), ("alone", "runs one job at a time")])
def test_a_pool_that_cannot_says_so(olga: Person, programs: dict[str, Program], name: str, why: str) -> None:
    answer = size(olga, f"{name}@test", 5)

    assert answer.status_code == 409
    assert answer.json["detail"] == f"The pool of {name}@test keeps its size."
    assert why in answer.json["hint"]


@pytest.mark.parametrize("wrong", [0, 1001, "many", None, 2.5])
def test_a_size_that_is_none_is_refused(olga: Person, programs: dict[str, Program], wrong: object) -> None:
    answer = size(olga, "forks@test", wrong)

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/size"


def test_a_worker_that_nobody_knows_is_told_nothing(olga: Person, programs: dict[str, Program]) -> None:
    for path, body in (("pool", {"size": 2}), ("shutdown", None)):
        answer = olga("POST", f"/api/workers/nobody@test/{path}", body)
        assert answer.status_code == 404
        assert "alone@test, forks@test, threads@test" in answer.json["hint"]


def test_a_worker_that_does_not_answer_is_said_to_be_silent(
    olga: Person, programs: dict[str, Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celeriac.worker.command.PATIENCE", 0.1)
    programs["alone"].process.send_signal(19)  # SIGSTOP: it lives, and hears nothing
    try:
        answer = size(olga, "alone@test", 2)
    finally:
        programs["alone"].process.send_signal(18)

    assert (answer.status_code, answer.json["title"]) == (504, "Worker silent")


def test_a_worker_that_is_shut_down_finishes_its_job_takes_no_other_and_ends(
    olga: Person, programs: dict[str, Program]
) -> None:
    long = olga("POST", "/api/jobs", {"task": "steered_stay", "queue": "io"}).json["id"]
    eventually(lambda: olga("GET", f"/api/jobs/{long}").json["state"] == "running", "its start")

    answer = olga("POST", "/api/workers/threads@test/shutdown")

    assert (answer.status_code, answer.json["stopping"]) == (202, True)
    eventually(lambda: listed(olga)["threads@test"]["stopping"], "the list says so")
    late = olga("POST", "/api/jobs", {"task": "steered_double", "arguments": {"n": 1}, "queue": "io"}).json["id"]
    cancelled(olga, long)
    assert programs["threads"].process.wait(60) == 0
    assert "threads@test" not in listed(olga)
    assert olga("GET", f"/api/jobs/{late}").json["state"] == "queued"
