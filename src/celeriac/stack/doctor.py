"""Looks at one app and what it stands on. Speaks HTTP to loopback, to know whose a port is.

Each `Look` is one line: what is so, and what to do where it is not well. Nothing is changed, no job is submitted.
"""

from __future__ import annotations

import http.client
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING

from celeriac.actions import Context
from celeriac.config import Settings
from celeriac.errors import BrokerUnavailable, CeleriacError
from celeriac.stack.probe import PATIENCE, listens, place_of
from celeriac.stack.valkey import HOST
from celeriac.store import dead, health, queues

if TYPE_CHECKING:
    from celeriac.history.house import History

SHOWN = {"Celery": "celery", "kombu": "kombu", "redis-py": "redis", "Flask": "flask"}
TESTED = {"celery": "5.7", "kombu": "5.7"}  # the releases that the queue and the record were written against


class Verdict(StrEnum):
    """How one thing is; `error` alone makes the doctor's exit code."""

    OK = "ok"
    HINT = "hint"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    verdict: Verdict
    name: str
    message: str
    remedy: str = ""


def examine(settings: Settings, context: Context, named: Mapping[str, str], history: History) -> Iterator[Look]:
    """Yield every look; `named` tells one task for each queue that tasks name."""
    yield _versions()
    try:
        yield from _redis(settings, context)
        yield from _queues(context, named)
        yield _dead(context)
        yield from _history(history)
    except BrokerUnavailable as error:
        remedy = f"BROKER_URL names {place_of(settings.broker_url)}: start that, or name another."
        yield Look(Verdict.ERROR, "redis", error.message, remedy)
    yield _port("web", settings.port, "/healthz", "--port")
    if settings.flower:
        yield _port("flower", settings.flower_port, "/healthcheck", "--flower-port")


def _versions() -> Look:
    found = {name: version(package) for name, package in SHOWN.items()}
    words = ", ".join(f"{name} {number}" for name, number in found.items())
    said = f"Celeriac {version('celeriac')} on Python {platform.python_version()} with {words}."
    strange = [package for package, tested in TESTED.items() if not version(package).startswith(f"{tested}.")]
    if strange:
        remedy = "Install " + ", ".join(f"{package} {TESTED[package]}" for package in strange) + "."
        return Look(Verdict.ERROR, "versions", said, remedy)
    return Look(Verdict.OK, "versions", said)


def _redis(settings: Settings, context: Context) -> Iterator[Look]:
    findings = health.check(context.client)
    server, place = health.name_of(context.client), place_of(settings.broker_url)
    yield Look(Verdict.OK, "redis", f"{server} answers at {place}.")
    for finding in findings:
        yield Look(Verdict(finding.level), "redis", finding.message, finding.remedy)
    if settings.transport == "stock":
        yield Look(Verdict.WARNING, "redis", "Kombu's own transport is in use: jobs can be lost.",
                   "Unset CELERIAC_TRANSPORT.")  # fmt: skip


def _queues(context: Context, named: Mapping[str, str]) -> Iterator[Look]:
    found = {queue.name: queue for queue in queues.list_queues(context.client, context.space)}
    for name in sorted({*named, *(queue.name for queue in found.values() if queue.length)}):
        queue = found.get(name)
        waiting = _wait(queue.length) if queue else "no jobs wait"
        if queue and queue.paused:
            yield Look(Verdict.WARNING, f"queue {name}", f"It is paused; {waiting}.",
                       f"`flask jobs queue resume {name}`.")  # fmt: skip
        elif queue and queue.consumers:
            yield Look(Verdict.OK, f"queue {name}", f"{', '.join(queue.consumers)} listens; {waiting}.")
        else:
            verdict = Verdict.ERROR if queue and queue.length else Verdict.WARNING
            task = f" (of {named[name]})" if name in named else ""
            yield Look(verdict, f"queue {name}", f"Nobody is listening{task}; {waiting}.",
                       f"Start a worker with `-Q {name}`, or one without `-Q`.")  # fmt: skip


def _dead(context: Context) -> Look:
    n = dead.count(context.client, context.space)
    if n:
        return Look(Verdict.WARNING, "dead", f"{_jobs(n)} could not be run.", "`flask jobs dead` shows them.")
    return Look(Verdict.OK, "dead", "There are no dead letters.")


def _history(history: History) -> Iterator[Look]:
    if not history.on:
        yield Look(Verdict.OK, "history", "It is off (CELERIAC_HISTORY).")
        return
    try:
        now, needed = history.version()
    except CeleriacError as error:
        yield Look(Verdict.ERROR, "history", error.message, error.hint)
        return
    if now is None:
        yield Look(Verdict.HINT, "history", "It has no tables yet.", "The first web or worker process makes them.")
        return
    if now != needed:
        said = f"Its tables have version {now}, this release needs {needed}."
        yield Look(Verdict.ERROR, "history", said, "`flask jobs db upgrade`, or install the release they are of.")
    status = history.status()
    if status.well:
        yield Look(Verdict.OK, "history", f"It is {status.lag:.0f} s behind.")
    else:
        said = status.error or f"It is {status.lag:.0f} s behind."
        yield Look(
            Verdict.WARNING, "history", said, "Web and worker processes copy: is one running, and what does it log?"
        )


def _port(what: str, port: int, path: str, option: str) -> Look:
    """A port of `up`: it should be free, or ours."""
    name = f"port {port}"
    if not listens(HOST, port):
        return Look(Verdict.OK, name, f"It is free for `up` ({what}).")
    link = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        link.request("GET", path)
        fine = link.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        fine = False
    finally:
        link.close()
    if fine:
        return Look(Verdict.OK, name, f"{what.capitalize()} answers.")
    return Look(Verdict.WARNING, name, f"Something else listens where `up` wants its {what}.", f"`up {option} N`.")


def _wait(n: int) -> str:
    return f"{_jobs(n)} waits" if n == 1 else f"{_jobs(n)} wait"


def _jobs(n: int) -> str:
    return "1 job" if n == 1 else f"{n} jobs"


def worst(looks: Iterable[Look]) -> Verdict:
    """Return the worst verdict among them."""
    order = list(Verdict)
    return max((look.verdict for look in looks), key=order.index, default=Verdict.OK)
