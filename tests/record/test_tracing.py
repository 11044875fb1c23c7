"""Whoever stands around Celery's tracer, or asks for its hooks, is asked for every job."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from celery.app.trace import build_tracer
from celery.loaders.app import AppLoader
from flask import Flask

from celeriac import Celeriac, job
from celeriac.worker.task import JobTask
from celeriac.worker.tracing import traced


@job(name="traced.plain")
def plain() -> None:
    """Ask for nothing."""


class Hooked(JobTask[..., Any]):
    abstract = True

    def after_return(self, *_: Any) -> None:
        """Be told."""


@job(base=Hooked, name="traced.hooked")
def hooked() -> None:
    """Ask for a hook."""


@pytest.fixture
def app(broker_url: str) -> Iterator[Celery]:
    flask = Flask("tracing")
    flask.config["BROKER_URL"] = broker_url
    Celeriac(flask)
    celery: Celery = flask.extensions["celery"]
    celery.finalize()
    yield celery
    celery.close()


def usual(app: Celery, name: str) -> tuple[Any, Callable[..., Any]]:
    task = app.tasks[name]
    return task, build_tracer(name, task, app=app)


def test_a_plain_task_is_traced_by_us(app: Celery) -> None:
    task, trace = usual(app, "traced.plain")
    assert traced(app, task, trace) is not trace


def test_a_tracer_that_somebody_has_wrapped_stays(app: Celery) -> None:
    task, trace = usual(app, "traced.plain")

    @functools.wraps(trace)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return trace(*args, **kwargs)

    assert traced(app, task, watched) is watched


def test_a_task_with_hooks_is_traced_by_celery(app: Celery) -> None:
    task, trace = usual(app, "traced.hooked")
    assert traced(app, task, trace) is trace


def test_a_loader_that_wants_to_know_of_each_job_does(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loader(AppLoader):
        def on_task_init(self, task_id: str, task: Any) -> None:
            """Be told."""

    monkeypatch.setattr(app, "loader", Loader(app=app))
    task, trace = usual(app, "traced.plain")
    assert traced(app, task, trace) is trace


def test_there_is_nothing_to_surround_before_celery_has_a_tracer(app: Celery) -> None:
    assert traced(app, app.tasks["traced.plain"], None) is None
