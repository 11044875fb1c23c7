"""Submitting and looking over HTTP: ours, the article's views, and the least that one Redis command costs."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from benchmarks.measure import Plan, Rounds, interleave
from benchmarks.outcome import Bar, Outcome, Ratio
from benchmarks.sites import CONNECTIONS, GUNICORN, SECRET, Site
from benchmarks.systems import celery, ours

METHOD = (
    f"The same Gunicorn (`{' '.join(GUNICORN)}`) for all, one process of it, and {CONNECTIONS} connections that stay "
    "open, from a process of their own. POST queues `add(x, y)`; nobody works meanwhile. GET looks at a job that has "
    "ended, then at one that waits. Ours checks a token, counts the caller's requests, validates, records, and answers "
    "the whole job; `plain` is the same Flask with a view that does one LPUSH or one GET and checks nothing. Anything "
    "but 202 and 200 voids the round. CPU is of the web process, and of Redis."
)
KINDS = ("POST", "GET, ended", "GET, waiting")
OURS = Site(
    name="celeriac",
    setting="defaults: token, limits, validation, record, history",
    delivery=ours.DELIVERY,
    folder="celeriac",
    commands=[celery.worker("jobs", 1, "-P", "solo", *celery.QUIET)],
    env={**ours.FOLDER, **SECRET, "CELERIAC_RATE_LIMIT": "100000000", "CELERIAC_CALLER_LIMIT": "100000000"},
    app="jobs:flask",
    submit="/api/tasks/add",
    look="/api/jobs/{id}",
    id="id",
    token=True,
)
BARE = replace(OURS, name="celeriac, no history", setting="history off", env={**OURS.env, "CELERIAC_HISTORY": "false"})
BOILERPLATE = Site(
    name="boilerplate",
    setting="the article's /add and /status",
    delivery="lost on kill",
    folder="boilerplate",
    commands=celery.BOILERPLATE.commands,
)
PLAIN = Site(
    name="plain",
    setting="one LPUSH, one GET",
    delivery="none",
    folder="plain",
    commands=[],
    env=SECRET,
    app="web:app",
    submit="/push",
    look="/look/done",
    id="id",
)


@dataclass(frozen=True)
class Sample:
    """Of each kind: requests per second, µs of CPU, p99 in ms, and how busy the sender was (1: a whole core)."""

    rates: list[float]
    web: list[float]
    redis: list[float]
    p99: list[float]
    sender: float


def run(plan: Plan) -> Outcome:
    """All sites in turn, each on a fresh server."""
    rounds = interleave([PLAIN, OURS, BARE, BOILERPLATE], plan.rounds, lambda site: take(site, plan.seconds))
    columns = ["server", *(f"{kind}: {what}" for kind in KINDS for what in ("req/s", "CPU µs + Redis", "p99 ms"))]
    outcome = Outcome("http", "Jobs over HTTP", METHOD, columns, unit="POST/s", notes=rounds.notes)
    for name in rounds.names():
        outcome.rows.append([name, *(cell for kind in range(3) for cell in _cells(rounds, name, kind))])
        values = [sample.rates[0] for sample in rounds.of(name)]
        mine = name == OURS.name
        outcome.bars.append(Bar(name, rounds.median(name, _rate(0)), min(values), max(values), mine))
    outcome.ratios = _ratios(rounds)
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    busy = max((sample.sender for name in rounds.names() for sample in rounds.of(name)), default=0.0)
    outcome.notes.append(f"The sender used at most {busy:.0%} of a core.")
    return outcome


def take(site: Any, seconds: float) -> tuple[Sample, Any]:
    """Warm up, then each kind for so long."""
    with site.serving() as serving:
        post = serving.request("POST", site.submit, {"x": 1, "y": 2})
        ended, waiting = (serving.request("GET", site.look.format(id=id)) for id in (serving.done, serving.queued))
        found = []
        for request, expected in ((post, 202), (ended, 200), (waiting, 200)):
            serving.load(request, min(1.0, seconds / 2), expected)
            found.append(serving.load(request, seconds, expected))
    values = {key: [one[key] for one in found] for key in ("rate", "web", "redis", "p99", "cpu")}
    sample = Sample(values["rate"], values["web"], values["redis"], values["p99"], max(values["cpu"]))
    packages = ("gunicorn", "flask", "werkzeug", "celery", "redis", "hiredis")
    return sample, {"versions": {name: version(name) for name in packages} | {"python": platform.python_version()}}


def _ratios(rounds: Rounds[Sample]) -> Sequence[Ratio]:
    found: list[Ratio] = []
    for other, kind, goal in (
        (PLAIN, 0, 0.8), (BOILERPLATE, 0, 2.0), (PLAIN, 1, 0.85), (PLAIN, 2, None), (BOILERPLATE, 1, None),
    ):  # fmt: skip
        label = f"{KINDS[kind]}, celeriac / {other.name}"
        found += rounds.ratio(OURS.name, [other.name], _rate(kind), goal=goal, label=label)
    for kind in range(2):
        label = f"{KINDS[kind]}, CPU of the web process, celeriac / plain"
        found += rounds.ratio(OURS.name, [PLAIN.name], _web(kind), label=label)
    return found


def _rate(kind: int) -> Callable[[Sample], float]:
    return lambda sample: sample.rates[kind]


def _web(kind: int) -> Callable[[Sample], float]:
    return lambda sample: sample.web[kind]


def _cells(rounds: Rounds[Sample], name: str, kind: int) -> list[str]:
    web, redis = rounds.median(name, _web(kind)), rounds.median(name, lambda sample: sample.redis[kind])
    p99 = rounds.median(name, lambda sample: sample.p99[kind])
    return [f"{rounds.median(name, _rate(kind)):,.0f}", f"{web:,.0f} + {redis:,.0f}", f"{p99:.1f}"]
