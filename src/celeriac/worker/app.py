"""The one Celery app of a Flask app. Speaks Celery; called by the extension, opens no connection."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery import Celery
from celery import concurrency as pools
from celery.exceptions import OperationalError
from flask import Flask

from celeriac import queue
from celeriac.config import Settings
from celeriac.queue.message import SAME_HEADER
from celeriac.queue.publishing import SameJob
from celeriac.registry import Registry
from celeriac.store.connection import Client, connect
from celeriac.worker import behalf, capture, carry, stop, telling, unique, webhook
from celeriac.worker.conf import celery_settings
from celeriac.worker.file import files_of, taken, takes_files
from celeriac.worker.task import queue_of

#: What `apply_async` raises when the broker did not take the message.
NotSubmitted = OperationalError
#: Celery finds its pools by name here; `-P prefork` and `-P threads` give ours.
FORKS = "celeriac.worker.carry:ForkPool"
THREADS = "celeriac.worker.pool:ThreadPool"


class CeleryApp(Celery):
    """A Celery app that knows its Flask app and its jobs."""

    flask: Flask
    settings: Settings
    client: Client
    jobs: Registry
    #: What a worker does beside its jobs once it is ready; each returns what `stop()` ends, or None.
    beside: list[Callable[[], Any]]

    @cached_property
    def queues_are_lists(self) -> bool:
        """Whether every queue is a plain list under our transport: direct, and without an end of its own."""
        queues = self.amqp.queues.values()
        plain = all(q.exchange.type == "direct" and not (q.expires or q.queue_arguments) for q in queues)
        return plain and self.settings.transport == "celeriac"

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        """Submit a job, on behalf of the request or the job that does; every way of submitting comes through here."""
        options["headers"] = {**behalf.headers(self), **(options.get("headers") or {})}
        if self.queues_are_lists and "exchange" not in options:
            options.setdefault("declare", ())  # a list needs no declaration, and consumers make theirs
        task = options.get("task_type") or self._tasks.get(name)  # type: ignore[attr-defined]
        seconds = getattr(task, "celeriac_unique", None)
        url = getattr(task, "celeriac_callback", None)
        if url:
            options["headers"].setdefault(webhook.CALLBACK_HEADER, url)
        if task is not None and takes_files(task):
            id = options["task_id"] = options.get("task_id") or str(uuid.uuid4())
            owner = options["headers"].get("celeriac_owner") or ""
            args, kwargs = taken([args, kwargs], files_of(self.settings), owner, id)
        if seconds:
            key = unique.same(task, args or (), kwargs or {}, options["headers"])
            options["headers"][SAME_HEADER] = [key, seconds]
        try:
            return super().send_task(name, args, kwargs, *more, **options)
        except SameJob as job:
            return self.AsyncResult(job.id)


def make_celery(app: Flask, settings: Settings) -> CeleryApp:
    """Make the app's Celery app and publish it as this process's current one, in every thread."""
    queue.install(stock=settings.transport == "stock")
    pools.ALIASES["threads"] = THREADS  # type: ignore[attr-defined]  # missing in the stubs
    celery = CeleryApp(app.import_name, task_cls="celeriac.worker.task:JobTask")
    celery.flask, celery.settings = app, settings
    celery.client, celery.jobs, celery.beside = connect(settings), Registry(), []
    made = celery_settings(app.config, settings)
    celery.conf.update(made)
    celery.backend_cls = made["result_backend"]  # the `celery` command lets RESULT_BACKEND win over conf
    if settings.transport == "celeriac":
        celery.steps["consumer"].add("celeriac.worker.leases:Leases")
        capture.install(celery)
        stop.install(celery)
        carry.install(celery)
        celery.beside.append(lambda: telling.Teller(celery).start())
        celery.steps["worker"].add("celeriac.worker.beside:Beside")
        pools.ALIASES["prefork"] = FORKS  # type: ignore[attr-defined]
    webhook.install(celery)
    celery.on_after_finalize.connect(_consume_the_jobs_queues, weak=False)
    celery.set_default()
    return celery


def _consume_the_jobs_queues(sender: Celery, **_: Any) -> None:
    """Let a worker without `-Q` listen to every queue that a task names, not to the declared ones alone."""
    for task in sender.tasks.values():
        name = queue_of(task)
        if name:
            sender.conf.task_queues.setdefault(name, {})
