"""The one Celery app of a Flask app. Speaks Celery; called by the extension, opens no connection."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery import concurrency as pools
from celery.utils import uuid
from flask import Flask

from celeriac.config import Settings
from celeriac.registry import Registry
from celeriac.store.connection import Client, connect
from celeriac.store.known import mark_known
from celeriac.worker.conf import celery_settings

#: Celery finds its pools by name here; `-P threads` gets ours.
THREADS = "celeriac.worker.pool:ThreadPool"


class CeleryApp(Celery):
    """A Celery app that knows its Flask app, its jobs, and remembers every id it submits."""

    flask: Flask
    settings: Settings
    client: Client
    jobs: Registry

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Submit a job: every way of submitting (apply_async, canvas, retry, beat) comes through here."""
        options["task_id"] = options.get("task_id") or uuid()
        mark_known(self.client, self.settings.key_prefix, options["task_id"], self.settings.retention)
        return super().send_task(name, *args, **options)


def make_celery(app: Flask, settings: Settings) -> CeleryApp:
    """Make the app's Celery app and publish it as this process's current one, in every thread."""
    install_transport(settings)
    pools.ALIASES["threads"] = THREADS  # type: ignore[attr-defined]  # missing in the stubs
    celery = CeleryApp(app.import_name, task_cls="celeriac.worker.task:JobTask")
    celery.flask, celery.settings = app, settings
    celery.client, celery.jobs = connect(settings), Registry()
    celery.conf.update(celery_settings(app.config, settings))
    celery.on_after_finalize.connect(_consume_the_jobs_queues, weak=False)
    celery.set_default()
    return celery


def install_transport(settings: Settings) -> None:
    """Choose the transport and the result backend of this process: today the stock ones."""


def _consume_the_jobs_queues(sender: Celery, **_: Any) -> None:
    """Let a worker without `-Q` listen to every queue that a task names, not to the declared ones alone."""
    for task in sender.tasks.values():
        queue = getattr(task, "queue", None)
        if isinstance(queue, str):
            sender.conf.task_queues.setdefault(queue, {})
