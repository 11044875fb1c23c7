"""The one Celery app of a Flask app. Speaks Celery; called by the extension, opens no connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery import Celery
from celery import concurrency as pools
from celery.exceptions import OperationalError
from celery.utils.imports import symbol_by_name
from flask import Flask

from celeriac import queue
from celeriac.config import Settings
from celeriac.registry import Registry
from celeriac.store.connection import Client, connect
from celeriac.worker import capture, prefork, schedules, stop, telling, tracing, webhook
from celeriac.worker.conf import celery_settings
from celeriac.worker.routing import queue_of
from celeriac.worker.submitting import Submitting

#: What `apply_async` raises when the broker did not take the message.
NotSubmitted = OperationalError
#: Celery finds its pools by name here; `-P prefork` and `-P threads` give ours.
FORKS = "celeriac.worker.prefork:ForkPool"
THREADS = "celeriac.worker.threads:ThreadPool"
WORKER = "celeriac.worker.program:Worker"
REQUEST = "celeriac.worker.request:Request"


class CeleryApp(Submitting):
    """A Celery app that knows its Flask app and its jobs."""

    flask: Flask
    client: Client
    jobs: Registry

    #: What a worker does beside its jobs once it is ready; each returns what `stop()` ends, or None.
    beside: list[Callable[[], Any]]
    #: What it does in processes of their own, where its jobs run in such; each returns what makes something there that
    #: does `run()` until it is `stopping`, or None.
    apart: list[Callable[[], Callable[[], Any] | None]]

    @cached_property
    def _keeps_utc(self) -> bool:
        return bool(super().uses_utc_timezone())

    def uses_utc_timezone(self) -> bool:
        """Return what Celery's method does, which asks for two time zones for every message."""
        return self._keeps_utc

    @cached_property
    def Worker(self) -> Any:  # noqa: N802  # Celery's name
        """What `celery worker` runs."""
        if self.settings.transport == "stock":
            return super().Worker
        return self.subclass_with_self(symbol_by_name(WORKER))


def make_celery(app: Flask, settings: Settings) -> CeleryApp:
    """Make the app's Celery app and publish it as this process's current one, in every thread."""
    queue.install(stock=settings.transport == "stock")
    pools.ALIASES["threads"] = THREADS  # type: ignore[attr-defined]  # missing in the stubs
    celery = CeleryApp(app.import_name, task_cls="celeriac.worker.task:JobTask")
    celery.flask, celery.settings = app, settings
    celery.client, celery.jobs = connect(settings), Registry()
    celery.beside, celery.apart = [], []
    made = celery_settings(app.config, settings)
    celery.conf.update(made)
    celery.backend_cls = made["result_backend"]  # the `celery` command lets RESULT_BACKEND win over conf
    if settings.transport == "celeriac":
        celery.steps["consumer"].add("celeriac.worker.leases:Leases")
        capture.install(celery)
        stop.install(celery)
        tracing.install(celery)
        prefork.install(celery)  # after it: what a plain job hands over is taken from its tracer
        celery.beside.append(lambda: telling.Teller(celery).start())
        celery.steps["worker"] |= {"celeriac.worker.apart:Apart", "celeriac.worker.beside:Beside"}
        pools.ALIASES["prefork"] = FORKS  # type: ignore[attr-defined]
    webhook.install(celery)
    schedules.install(celery)
    celery.on_after_finalize.connect(_consume_the_jobs_queues, weak=False)
    if settings.transport == "celeriac":
        celery.on_after_finalize.connect(_lease_every_task, weak=False)
    celery.set_default()
    return celery


def _consume_the_jobs_queues(sender: Celery, **_: Any) -> None:
    """Let a worker without `-Q` listen to every queue that a task names, not to the declared ones alone."""
    for task in sender.tasks.values():
        name = queue_of(task)
        if name:
            sender.conf.task_queues.setdefault(name, {})


def _lease_every_task(sender: Celery, **_: Any) -> None:
    """Let a worker request tasks of other classes (`base=`) as it does ours: leased, and with a truthful end."""
    for task in sender.tasks.values():
        if not getattr(task, "notes_its_start", False):
            task.Request = REQUEST
