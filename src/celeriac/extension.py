"""Wires the rooms for one Flask app. Speaks Flask; opens no connection, registers no route.

1. `Celeriac().init_app(app)` reads the settings, makes the Celery app and puts both into `app.extensions`.
2. An error of ours that a view lets through is answered as problem+json, with its sentence and remedy.
3. `cached` keeps a function's values in the same Redis.
"""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Request, Response, current_app, request

from celeriac import cli, config
from celeriac.actions import Context
from celeriac.errors import BrokerUnavailable, CeleriacError, ConfigError, UnknownJob
from celeriac.registry.problem import MEDIA_TYPE, problem_of
from celeriac.store.cache import Cache, cache_key
from celeriac.store.known import is_known
from celeriac.worker.app import CeleryApp, NotSubmitted, make_celery
from celeriac.worker.process import space_of
from celeriac.worker.sender import Sender

P = ParamSpec("P")
R = TypeVar("R")

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


class Celeriac:
    """Background jobs for a Flask app: `Celeriac(app)`, or `Celeriac()` and `init_app(app)` later."""

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give the app its Celery app, `app.extensions["celery"]`; ConfigError names every wrong setting.

        Call it before the modules that define tasks with `current_app.task` are imported.
        """
        if "celeriac" in app.extensions:
            raise ConfigError("Celeriac is on this Flask app already.", "Call init_app once per app.")
        settings = config.load(app.config, os.environ)
        celery = make_celery(app, settings)
        app.extensions["celery"] = celery
        cache = Cache(celery.client, settings.key_prefix)
        app.extensions["celeriac"] = Installed(settings, celery, cache)
        app.register_error_handler(CeleriacError, _problem)
        app.register_error_handler(NotSubmitted, _not_submitted)
        app.cli.add_command(cli.jobs)


@dataclass(frozen=True, slots=True)
class Installed:
    """What `app.extensions["celeriac"]` holds."""

    settings: config.Settings
    celery: CeleryApp
    cache: Cache

    @property
    def context(self) -> Context:
        """What `celeriac.actions` needs of this app; every task is registered when this returns."""
        self.celery.finalize()
        send = Sender(self.celery)
        return Context(self.celery.client, space_of(self.celery), self.celery.jobs, send, send.max_retries)

    def require(self, job_id: str) -> None:
        """Raise UnknownJob when no job was submitted under this id."""
        if not is_known(self.celery.client, self.settings.key_prefix, job_id) and self.settings.transport != "stock":
            raise UnknownJob(f"No job has the id {job_id[:100]!r}.", "Use the task_id of the answer that submitted it.")

    def may_submit_by_get(self, call: Request) -> bool:
        """Whether a GET may start a job here: as the setting says, else on loopback alone."""
        if self.settings.get_submits is not None:
            return self.settings.get_submits
        host = urlsplit(f"//{call.host}").hostname or ""
        direct = not any(header in call.headers for header in FORWARDED)
        return direct and _is_loopback(host) and _is_loopback(call.remote_addr or "")


def cached(seconds: float) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep what the function returns for some seconds in Redis, one value per arguments; JSON in, JSON out.

    Works wherever there is an app context, jobs included. A tuple comes back as a list, on a miss too.
    """

    def keep(fun: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fun)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            cache: Cache = current_app.extensions["celeriac"].cache
            value: R = cache.get_or_make(cache_key(fun, args, kwargs), seconds, lambda: fun(*args, **kwargs))
            return value

        return call

    return keep


def _problem(error: CeleriacError) -> Response:
    problem = problem_of(error, instance=request.path).model_dump_json(exclude_defaults=True)
    return Response(problem, status=error.status, mimetype=MEDIA_TYPE)


def _not_submitted(_: Exception) -> Response:
    response = _problem(BrokerUnavailable("The job was not accepted: Redis does not answer.", "Try again soon."))
    response.headers["Retry-After"] = "5"
    return response


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
