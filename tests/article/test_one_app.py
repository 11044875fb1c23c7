"""One Flask app and one Celery app per process, made by `create_app()` from settings that are really read."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from backend import create_app
from celeriac import Celeriac
from celeriac.errors import ConfigError
from tests.article.running import ROOT, free_port

COUNT = """
import gc
from celery._state import _get_active_apps
from flask import Flask
print(len(_get_active_apps()), sum(type(thing) is Flask for thing in gc.get_objects()))
"""


def python(code: str, env: Mapping[str, str] | None = None) -> str:
    """Run `code` in a process of its own, in the project's root; return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", code + COUNT], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_the_web_process_has_one_flask_app_and_one_celery_app() -> None:
    code = """
import run, backend, celery
from backend.tasks import add
made = run.app.extensions["celery"]
assert backend.celery is made is celery.current_app._get_current_object() is add.app
"""
    assert python(code).split() == ["1", "1"]


def test_every_thread_of_the_web_process_finds_the_same_celery_app() -> None:
    code = """
import run, threading
from celery import current_app
found = []
thread = threading.Thread(target=lambda: found.append(current_app._get_current_object()))
thread.start(); thread.join()
assert found == [run.app.extensions["celery"]]
"""
    assert python(code).split() == ["1", "1"]


def test_a_worker_process_makes_one_of_each_too() -> None:
    code = """
from celery.app.utils import find_app
found = find_app("backend")
import backend
assert found is backend.celery and "backend.tasks.add" in found.tasks
"""
    assert python(code).split() == ["1", "1"]


def test_init_app_opens_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as redis:
        create_app(BROKER_URL=f"redis://127.0.0.1:{redis.getsockname()[1]}/0")
        redis.setblocking(False)
        with pytest.raises(BlockingIOError):
            redis.accept()


def test_init_app_twice_is_refused() -> None:
    app = Flask("twice")
    celeriac = Celeriac(app)

    for again in (celeriac, Celeriac()):
        with pytest.raises(ConfigError, match="once per app"):
            again.init_app(app)


def test_configuration_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a key of this test")
    monkeypatch.setenv("BROKER_URL", "redis://localhost:7001/3")

    app = create_app()

    assert app.config["SECRET_KEY"] == "a key of this test"
    assert app.extensions["celery"].conf.broker_url == "redis://localhost:7001/3"
    assert app.extensions["celeriac"].settings.result_backend == "redis://localhost:7001/3"


def test_there_is_no_default_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)

    assert create_app().config["SECRET_KEY"] is None


def test_celerys_own_settings_are_honoured() -> None:
    app = create_app(CELERY={"task_time_limit": 77, "task_routes": {"backend.tasks.add": {"queue": "sums"}}})

    conf = app.extensions["celery"].conf
    task = app.extensions["celery"].tasks["backend.tasks.add"]

    assert conf.task_time_limit == task.time_limit == 77
    routed = app.extensions["celery"].amqp.router.route({}, task.name, task_type=task)
    assert routed["queue"].name == "sums"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"CELERY": {"task_time_limits": 5}}, "not a Celery setting, did you mean task_time_limit?"),
        ({"CELERY": {"TASK_TIME_LIMIT": 5}}, "did you mean task_time_limit?"),
        ({"CELERY": {"broker_url": "redis://elsewhere"}}, "set that instead"),
        ({"CELERY": {"accept_content": ["json", "pickle"]}}, "accept_content must be JSON alone"),
        ({"CELERY": {"task_serializer": "pickle"}}, "task_serializer must be JSON alone"),
        ({"CELERY": {"worker_pool_start_method": "spawn"}}, "worker_pool_start_method must be fork"),
        ({"CELERY": ["task_time_limit"]}, "must be a dict"),
        ({"CELERY_TASK_TIME_LIMIT": 5}, "CELERY_TASK_TIME_LIMIT is not read"),
        ({"CELERIAC_GRACES": 5}, "did you mean CELERIAC_GRACE?"),
        ({"CELERIAC_GRACE": -1}, "CELERIAC_GRACE"),
    ],
)  # fmt: skip
def test_a_setting_that_would_be_ignored_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        create_app(**config)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("setting", "call", "status"),
    [
        (None, {}, 202),
        (None, {"environ_base": {"REMOTE_ADDR": "::1"}}, 202),
        (None, {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}, 401),
        (None, {"headers": {"X-Forwarded-For": "192.0.2.7"}}, 401),
        (None, {"base_url": "http://jobs.example"}, 401),
        (None, {"headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        (False, {}, 405),
        (True, {}, 202),
    ],
)
def test_get_longtask_works_on_loopback_or_where_the_setting_allows_it(
    broker_url: str, setting: bool | None, call: dict[str, Any], status: int
) -> None:
    app = create_app(BROKER_URL=broker_url, CELERIAC_LOCAL=True, CELERIAC_GET_SUBMITS=setting)

    answer = app.test_client().get("/longtask?steps=1&seconds=0", **call)

    assert answer.status_code == status
    with Redis.from_url(broker_url) as redis:
        assert redis.llen("io") == (1 if status == 202 else 0)


def test_a_refused_request_queues_nothing(broker_url: str) -> None:
    client = create_app(BROKER_URL=broker_url, CELERIAC_LOCAL=True).test_client()

    for body in ([], {}, {"x": 1}, {"x": "1", "y": 2}):
        assert client.post("/add", json=body).status_code == 422
    assert client.head("/longtask").status_code == 405

    with Redis.from_url(broker_url) as redis:
        assert redis.llen("celery") == redis.llen("io") == 0


def test_without_redis_the_answer_is_503_and_never_202() -> None:
    client = create_app(BROKER_URL=f"redis://127.0.0.1:{free_port()}/0", CELERIAC_LOCAL=True).test_client()

    for answer in (client.post("/add", json={"x": 1, "y": 2}), client.get("/status/any")):
        assert answer.status_code == 503
        assert answer.mimetype == "application/problem+json"


def test_the_articles_files_are_where_it_puts_them_and_stay_small() -> None:
    files = ["backend/__init__.py", "backend/tasks.py", "backend/views.py", "config.py", "run.py"]

    assert sum(len((ROOT / name).read_text().splitlines()) for name in files) < 150
    for script in ("celery_worker.sh", "flower.sh"):
        assert (ROOT / script).stat().st_mode & 0o111
    assert Path(ROOT / "requirements.txt").exists()
