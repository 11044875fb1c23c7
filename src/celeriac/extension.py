"""Wires the rooms for one Flask app. Speaks Flask; opens no connection.

1. `Celeriac().init_app(app)` reads the settings, makes the Celery app, puts both into `app.extensions` and gives the
   app the routes of the API.
2. An error of ours that a view lets through is answered as problem+json, with its sentence and remedy.
3. Under Gunicorn outside local development an unfit configuration is refused at once; `Installed.check` does it
   under any other server.
4. `cached` keeps a function's values in the same Redis.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from flask import Flask, current_app
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from celeriac import api, cli, config, console, history
from celeriac.actions import Context, resource
from celeriac.api import door, events, present, problems
from celeriac.api.facts import facts_of
from celeriac.auth import refusals
from celeriac.auth.rates import Rates
from celeriac.auth.tokens import Tokens
from celeriac.errors import CeleriacError, ConfigError, UnknownJob
from celeriac.store import rate
from celeriac.store.cache import Cache, cache_key
from celeriac.store.known import is_known
from celeriac.store.tokens import TokenStore
from celeriac.store.wakes import Wakes
from celeriac.watch import Watch
from celeriac.worker.app import CeleryApp, NotSubmitted, make_celery
from celeriac.worker.command import Commander
from celeriac.worker.process import space_of
from celeriac.worker.sender import Sender

P = ParamSpec("P")
R = TypeVar("R")


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
        try:
            self._install(app)
        except ConfigError as error:
            cli.refused(error)
            raise

    def _install(self, app: Flask) -> None:
        settings = config.load(app.config, os.environ)
        celery = make_celery(app, settings)
        app.extensions["celery"] = celery
        installed = Installed(settings, celery, Cache(celery.client, settings.key_prefix), _parts(settings, celery))
        app.extensions["celeriac"] = installed
        app.register_error_handler(CeleriacError, problems.of_ours)
        app.register_error_handler(NotSubmitted, problems.of_submitting)
        api.install(app)
        console.install(app, settings)
        app.cli.add_command(cli.jobs)
        _begin(app, celery)
        if settings.proxies:
            n = settings.proxies
            app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]
        if os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/"):  # Gunicorn says so to what it loads
            installed.check(app)


@dataclass(frozen=True, slots=True)
class Installed:
    """What `app.extensions["celeriac"]` holds."""

    settings: config.Settings
    celery: CeleryApp
    cache: Cache
    api: api.Parts

    @property
    def context(self) -> Context:
        """What `celeriac.actions` needs of this app; every task is registered when this returns."""
        self.celery.finalize()
        return self.api.context

    def check(self, app: Flask) -> None:
        """Raise ConfigError, naming every finding, where it would be unsafe to serve; opens a connection for it."""
        refusals.check(facts_of(app, self.api))

    def link(self, job_id: str, *, cancel: bool = False, seconds: float = 604800.0) -> str:
        """Return a signed address of the job, for a page of your own: whoever has it may watch it, or `cancel` it, too.

        `<job-progress src="…">` takes it. Raises Conflict without a SECRET_KEY.
        """
        return events.signed_address(job_id, cancel, seconds)

    def require(self, job_id: str) -> None:
        """Raise UnknownJob when no job was submitted under this id, or not for who calls."""
        if self.settings.transport == "stock":
            return
        if door.visit().caller is not None:
            present.find(self.context, job_id)
        elif not is_known(self.celery.client, self.settings.key_prefix, job_id):
            raise UnknownJob(f"No job has the id {job_id[:100]!r}.", "Use the task_id of the answer that submitted it.")

    def words(self, info: object) -> str:
        """Return what a job said of itself, or of its failure, as far as who calls may hear it (Celery's `info`)."""
        if isinstance(info, Mapping) and info.get("status"):
            return str(info["status"])
        return present.told(type(info).__name__, str(info)) if isinstance(info, BaseException) else str(info)

    def may_submit_by_get(self) -> bool:
        """Whether a GET may start a job here: as the setting says, else in local development alone."""
        if self.settings.get_submits is not None:
            return self.settings.get_submits
        return self.settings.local and door.is_here()


def _parts(settings: config.Settings, celery: CeleryApp) -> api.Parts:
    space, send = space_of(celery), Sender(celery)
    context = Context(celery.client, space, celery.jobs, send, Commander(celery), send.max_retries, send.claim)
    tokens = Tokens(TokenStore(celery.client, space))
    rates = Rates(settings.rate_limit, functools.partial(rate.count, celery.client, space))
    watch = Watch(
        lambda: Wakes(settings.broker_url, space, settings.publish_timeout), settings.waits,
        client=celery.client, space=space, streams=settings.streams, age=settings.stream_age,
        name=lambda task: resource.task_name(task, celery.jobs),
    )  # fmt: skip
    return api.Parts(settings, context, tokens, rates, watch, celery.finalize)


def _begin(app: Flask, celery: CeleryApp) -> None:
    """Let workers copy what happens into SQL, and web processes from their first request on: never in a request.

    Before each request the console may lead its caller. One hook for both: Flask looks longer at each than they take.
    """
    celery.apart.append(lambda: history.apart(app))
    celery.beside.append(lambda: history.start(app))

    @app.before_request
    def begin() -> Response | None:
        history.start(app)
        return console.lead()


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
