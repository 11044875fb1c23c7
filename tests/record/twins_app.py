"""An app whose jobs are there twice: as our strategy and tracer run them, and as Celery's own do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from celery import current_task, signals
from celery.exceptions import Ignore, Reject
from celery.worker import state
from flask import Flask, current_app

from celeriac import Celeriac, File, job
from celeriac.worker.task import JobTask

flask_app = Flask("twins")
Celeriac(flask_app)
celery = flask_app.extensions["celery"]
CELERYS = "celery.worker.strategy:default"


class Plain(JobTask[..., Any]):
    abstract = True


class Celerys(JobTask[..., Any]):
    """Whoever calls it in a way of its own is run by Celery's tracer."""

    abstract = True
    Strategy = CELERYS

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)


def hear(id: str, *words: Any) -> None:
    """Write down outside of the record what happened around a job."""
    celery.client.rpush(f"heard:{id}", json.dumps(words, default=repr, sort_keys=True))


class Hooks:
    """What a task may be told of its own ends where Celery's tracer sees to that for both."""

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hear(task_id, "on_failure", repr(exc), args, kwargs, type(einfo).__name__, str(einfo).splitlines()[-1])

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hear(task_id, "on_retry", repr(exc), args, kwargs)


class MoreHooks(Hooks):
    """What asks for Celery's tracer from the start."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        hear(task_id, "before_start", args, kwargs)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        hear(task_id, "on_success", retval, args, kwargs)

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hear(task_id, "after_return", status, repr(retval), args, kwargs)


def twice(*mixins: type, **options: Any) -> Callable[[Callable[..., Any]], None]:
    """Make a function two jobs, `plain.<name>` and `celerys.<name>`."""

    def make(fun: Callable[..., Any]) -> None:
        for kind in (Plain, Celerys):
            base = type(kind.__name__, (*mixins, kind), {"abstract": True})
            job(base=base, name=f"{kind.__name__.lower()}.{fun.__name__}", **options)(fun)

    return make


@twice()
def add(x: int, y: int = 0) -> int:
    return x + y


@twice(bind=True)
def seen(self: Any) -> dict[str, Any]:
    """Return all that a job can see of itself."""
    request = dict(vars(self.request))
    held = state.requests.get(self.request.id)
    told = {"info": held.info(), "args": held.argsrepr, "text": repr(held)} if held else {}
    return {
        "request": {name: value for name, value in sorted(request.items()) if name != "celeriac_ran"},
        "unset": [
            self.request.time_limit,
            self.request.called_directly,
            self.request.group,
            len(self.request_stack.stack),
        ],
        "task": [current_task.name, self.name, bool(current_app), self.request.id == current_task.request.id],
        "counted": bool(held) and [held in state.active_requests, held in state.reserved_requests],
        "held": json.loads(json.dumps(told, default=repr)),
    }


@twice()
def gives(what: str) -> Any:
    """Return what is hard to carry."""
    return {
        "object": object(),
        "nan": float("nan"),
        "none": None,
        "deep": {"a": [1, "é", {"b": 2.5}]},
        "long": "x" * 9000,
        "file": File(b"1", name="one.txt"),
    }[what]


@twice(Hooks, bind=True, max_retries=1)
def ends(self: Any, how: str) -> None:
    """End otherwise than well."""
    if how == "retry":
        raise self.retry(exc=ValueError("again"), countdown=0.2)
    if how == "exit":
        sys.exit(3)
    if how == "long":
        raise ValueError("x" * 5000)
    raise {"ignore": Ignore("no matter"), "reject": Reject("not this"), "fail": ValueError("as agreed")}[how]


@twice(MoreHooks, bind=True)
def told(self: Any, fail: bool) -> str:
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2})
    if fail:
        raise ValueError("as agreed")
    return "well"


@twice(bind=True)
def follows(self: Any, how: str) -> str:
    """Be followed by others, who are known only as it runs."""
    twin = celery.tasks[self.name.replace("follows", "add")].si(1, 2)
    twin.set(queue=self.request.delivery_info["routing_key"])
    if how == "child":
        twin.delay()
    elif how == "link":
        self.request.callbacks = [twin]
    else:
        raise self.replace(twin)
    return how


def listen() -> None:
    """Hear of every signal of Celery's that tells of a job's run."""
    for name in ("task_received", "task_prerun", "task_postrun", "task_success", "task_failure", "task_retry"):

        def heard(name: str = name, sender: Any = None, **more: Any) -> None:
            request = more.get("request")
            id = more.get("task_id") or (request.id if request else current_task.request.id)
            fields = {
                key: repr(value)
                for key, value in more.items()
                if key in ("args", "kwargs", "retval", "state", "result")
            }
            hear(id, name, sorted(more), fields)

        getattr(signals, name).connect(heard, weak=False)


if os.environ.get("TWINS_LISTEN"):
    listen()
