"""Health: is this process alive, can it serve. Speaks Flask."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, current_app

from celeriac import history
from celeriac.actions import Context
from celeriac.api import shapes
from celeriac.api.answers import answer
from celeriac.api.contract import Table
from celeriac.api.parts import parts
from celeriac.errors import BrokerError, BrokerUnavailable
from celeriac.registry.openapi import Answer, Route
from celeriac.store import health, workers
from celeriac.store.health import Level

table = Table("health")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; a warning does not count against readiness."""

    name: str
    ok: bool
    detail: str
    counts: bool = True


@table.route(Route("/healthz", "GET", "Is this process alive", answers=(Answer(200, "It is.", media="text/plain"),)))
def alive() -> Response:
    """Answer that this process is alive; asks nobody."""
    return Response("ok\n", mimetype="text/plain")


@table.route(
    Route(
        "/readyz", "GET", "Can this process take jobs, and is somebody there to do them",
        answers=(Answer(200, "It can take jobs.", shapes.Health), Answer(503, "It cannot.", shapes.Health)),
    )
)  # fmt: skip
def ready() -> Response:
    """Answer whether jobs can be taken; nobody listening is a warning, for jobs are kept all the same."""
    looks = _looks(parts().context)
    good = all(look.ok for look in looks if look.counts)
    checks = [{"name": look.name, "ok": look.ok, "detail": look.detail} for look in looks]
    return answer({"ready": good, "checks": checks}, 200 if good else 503, {} if good else {"Retry-After": "5"})


def _looks(app: Context) -> list[Look]:
    try:
        findings = health.check(app.client)
    except BrokerUnavailable as error:
        return [Look("broker", False, error.message)]
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    warnings = [finding for finding in findings if finding.level is Level.WARNING]
    looks = [Look("broker", not errors, " ".join(f.message for f in errors) or "It answers.")]
    looks += [Look(finding.name, False, finding.message, counts=False) for finding in warnings]
    return [*looks, _listening(app), _copied()]


def _listening(app: Context) -> Look:
    try:
        alive = [worker.name for worker in workers.list_workers(app.client, app.space) if worker.alive]
    except BrokerError as error:
        return Look("workers", False, error.message, counts=False)
    return Look("workers", bool(alive), f"{len(alive)} listen." if alive else "Nobody is listening.", counts=False)


def _copied() -> Look:
    """Look at the history; what is wrong with its database is told to operators, by `/api/stats`."""
    try:
        found = history.of(current_app).status()
    except BrokerError as error:
        return Look("history", False, error.message, counts=False)
    if not found.on:
        return Look("history", True, "There is none: it is turned off.", counts=False)
    words = "The history cannot be written." if found.error else f"The history is {found.lag:.1f} s behind."
    gap = " What the journal lost is being completed." if found.gap else ""
    return Look("history", found.well, words + gap, counts=False)
