"""Flower, as `./flower.sh` starts it, sees jobs and steers workers: everything the article lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.article.running import Answer, Web, eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("lanes")]

PREFORK, THREADS = "default@test", "io@test"
ADD, LONG_TASK = "backend.tasks.add", "backend.tasks.long_task"


@pytest.fixture(scope="module")
def monitor(flower: Web) -> Web:
    """Flower, once it has seen both workers."""
    eventually(lambda: {PREFORK, THREADS} <= flower("GET", "/api/workers").json.keys(), "both workers shown")
    return flower


@pytest.fixture
def submit(app: Flask, gunicorn: Web) -> Any:
    """Submit a job from code: `submit("add", x=1, y=2)`; options of `apply_async` begin with `_`."""

    def submit(name: str, **given: Any) -> str:
        options = {key[1:]: given.pop(key) for key in list(given) if key.startswith("_")}
        task = app.extensions["celery"].tasks[f"backend.tasks.{name}"]
        return str(task.apply_async(kwargs=given, **options).id)

    return submit


def pool_size(monitor: Web, worker: str) -> int:
    shown = monitor("GET", f"/api/workers?refresh=true&workername={worker}").json
    return len(shown[worker]["stats"]["pool"]["processes"])


def done(answer: Answer) -> Answer:
    assert answer.status == 200, answer.body
    return answer


def test_it_shows_workers_queues_and_what_became_of_a_job(monitor: Web, gunicorn: Web, submit: Any) -> None:
    task_id = submit("add", x=1, y=2)
    gunicorn.finishes(task_id)

    def shown() -> Any:
        answer = monitor("GET", f"/api/task/info/{task_id}")
        return answer.json if answer.status == 200 and answer.json["state"] == "SUCCESS" else None

    info = eventually(shown, "the job in Flower")
    assert (info["name"], info["result"]) == (ADD, "3")
    assert info["received"]
    assert task_id in monitor("GET", "/api/tasks").json
    queues = {queue["name"] for queue in monitor("GET", "/api/queues/length").json["active_queues"]}
    assert queues == {"celery", "io"}
    for page in ("/", "/workers", "/tasks", "/broker", f"/task/{task_id}", f"/worker/{PREFORK}"):
        assert monitor("GET", page).status == 200


def test_it_listens_on_loopback_alone(monitor: Web) -> None:
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    local = [line.split()[1] for line in table if line.split()[3] == "0A"]  # 0A: listening

    assert [address for address in local if address.endswith(f":{monitor.port:04X}")] == [
        f"0100007F:{monitor.port:04X}"
    ]


def test_a_queue_is_paused_and_resumed_and_a_revoked_queued_job_never_runs(
    monitor: Web, gunicorn: Web, submit: Any
) -> None:
    done(monitor("POST", f"/api/worker/queue/cancel-consumer/{PREFORK}?queue=celery", raw=b""))
    kept, revoked = submit("add", x=1, y=1), submit("add", x=2, y=2)
    assert gunicorn("GET", f"/status/{kept}").json["state"] == "PENDING"

    done(monitor("POST", f"/api/task/revoke/{revoked}", raw=b""))
    done(monitor("POST", f"/api/worker/queue/add-consumer/{PREFORK}?queue=celery", raw=b""))

    assert gunicorn.finishes(kept) == {"state": "SUCCESS", "result": 2}
    assert gunicorn.finishes(revoked)["state"] == "REVOKED"


def test_a_running_job_of_the_prefork_lane_is_ended_by_force(monitor: Web, gunicorn: Web, submit: Any) -> None:
    task_id = submit("long_task", steps=1, seconds=600, _queue="celery")
    gunicorn.reaches(task_id, "PROGRESS")

    done(monitor("POST", f"/api/task/revoke/{task_id}?terminate=true", raw=b""))

    assert gunicorn.finishes(task_id)["state"] == "REVOKED"
    assert gunicorn.finishes(submit("add", x=1, y=2))["result"] == 3


def test_the_prefork_pool_grows_and_shrinks(monitor: Web) -> None:
    done(monitor("POST", f"/api/worker/pool/grow/{PREFORK}?n=1", raw=b""))
    eventually(lambda: pool_size(monitor, PREFORK) == 3, "three processes")

    done(monitor("POST", f"/api/worker/pool/shrink/{PREFORK}?n=1", raw=b""))
    eventually(lambda: pool_size(monitor, PREFORK) == 2, "two processes")


def test_a_rate_limit_holds_a_task_back_and_no_other(monitor: Web, gunicorn: Web, submit: Any) -> None:
    limit = {"workername": PREFORK, "ratelimit": "1/h"}
    done(monitor("POST", f"/api/task/rate-limit/{ADD}", form=limit))
    first, second = submit("add", x=1, y=1), submit("add", x=2, y=2)
    other = submit("long_task", steps=1, seconds=0, _queue="celery")

    assert gunicorn.finishes(first)["result"] == 2
    assert gunicorn.finishes(other)["state"] == "SUCCESS"
    assert gunicorn("GET", f"/status/{second}").json["state"] == "PENDING"

    done(monitor("POST", f"/api/task/revoke/{second}", raw=b""))
    done(monitor("POST", f"/api/task/rate-limit/{ADD}", form=limit | {"ratelimit": "0"}))
    assert gunicorn.finishes(submit("add", x=3, y=3))["result"] == 6


@pytest.mark.parametrize(("worker", "queue"), [(PREFORK, "celery"), (THREADS, "io")])
def test_a_time_limit_ends_a_job(monitor: Web, gunicorn: Web, submit: Any, worker: str, queue: str) -> None:
    done(monitor("POST", f"/api/task/timeout/{LONG_TASK}", form={"workername": worker, "soft": "1"}))
    task_id = submit("long_task", steps=6000, seconds=0.1, _queue=queue)

    told = gunicorn.finishes(task_id)

    assert told["state"] == "FAILURE"
    assert "SoftTimeLimitExceeded" in told["status"]
    done(monitor("POST", f"/api/task/timeout/{LONG_TASK}", form={"workername": worker}))


@pytest.mark.parametrize("force", ["", "?terminate=true"])
def test_a_running_job_of_the_threads_lane_stops_at_its_next_step(
    monitor: Web, gunicorn: Web, submit: Any, force: str
) -> None:
    task_id = submit("long_task", steps=6000, seconds=0.1)
    gunicorn.reaches(task_id, "PROGRESS")

    done(monitor("POST", f"/api/task/revoke/{task_id}{force}", raw=b""))

    assert gunicorn.finishes(task_id)["state"] == "REVOKED"
    eventually(lambda: monitor("GET", f"/api/task/info/{task_id}").json["state"] == "REVOKED", "REVOKED in Flower")


@pytest.mark.parametrize("way", ["grow", "shrink"])
def test_what_the_threads_pool_cannot_do_is_refused_in_words(monitor: Web, way: str) -> None:
    answer = monitor("POST", f"/api/worker/pool/{way}/{THREADS}?n=1", raw=b"")

    assert answer.status == 403
    assert b"threads pool has a fixed size" in answer.body
