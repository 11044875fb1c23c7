"""Thousands of watchers on one web process: how late they hear, what each costs, what is left for others."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import clean_environment
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome, Ratio
from benchmarks.processes import Crew, descendants, memory
from benchmarks.servers import Server
from celeriac.stack.valkey import free_port
from tests.article.running import Web, eventually

METHOD = (
    "One Gunicorn process, one worker whose hundred jobs report progress every second or two, each at its own moment. "
    "All watchers in one client process on the same machine. Delay: from `progress()` in the job to the line in the "
    "client. Memory: growth of the web process (PSS) by the streams, with MALLOC_ARENA_MAX=2 as `up` sets it. Then "
    "with every stream taken: `/healthz`, and submits."
)
JOBS = 100
GOALS = {"p99 ms": -250.0, "KB per stream": -40.0, "missed": -0.5}


@dataclass(frozen=True)
class Case:
    """`kind` is Gunicorn's worker class; every job reports once in `every` seconds."""

    name: str
    kind: str
    watchers: int
    every: float


CASES = (Case("gthread, 1,000 watchers", "gthread", 1000, 1.0), Case("gevent, 5,000 watchers", "gevent", 5000, 2.0))


@dataclass(frozen=True)
class Found:
    """Delays in ms, memory in KB per stream, answers in ms while every stream was taken."""

    events: int
    missed: int
    cut: int
    p50: float
    p99: float
    kilobytes: float
    health: float
    submit: float


def run(plan: Plan) -> Outcome:
    """One round of each case: a minute of watching jitters little."""
    seconds = 8.0 if plan.quick else 30.0
    columns = ["server", "events", "missed", "p50 ms", "p99 ms", "KB per stream", "/healthz p99 ms", "submit p99 ms"]
    outcome = Outcome("watch", "Watching jobs live", METHOD, columns)
    for case in CASES:
        print(f"  {case.name}", file=sys.stderr, flush=True)
        found = take(case, seconds)
        times = [f"{value:.0f}" for value in (found.p50, found.p99, found.kilobytes, found.health, found.submit)]
        outcome.rows.append([case.name, f"{found.events:,}", f"{found.missed}", *times])
        values = {"p99 ms": found.p99, "KB per stream": found.kilobytes, "missed": float(found.missed + found.cut)}
        outcome.ratios += [Ratio(f"{case.kind}: {name}", [value], GOALS[name]) for name, value in values.items()]
        outcome.ratios += [Ratio(f"{case.kind}: /healthz with all streams taken, p99 ms", [found.health], -100.0)]
        outcome.raw[case.name] = asdict(found)
    return outcome


def take(case: Case, seconds: float) -> Found:
    """Open all streams, watch for a while, then see what others get."""
    with Server() as server, started(server.url, case) as (web, pid):
        ids = submit(web, JOBS, "tick", every=case.every, seconds=3600.0)
        eventually(lambda: web("GET", f"/api/jobs/{ids[-1]}").json["progress"], "a report of the last job")
        before = memory(descendants(pid))
        with watching(web.port, case.watchers, ids) as clients:
            time.sleep(seconds)
            kilobytes = (memory(descendants(pid)) - before) / case.watchers / 1024
            refused = web("GET", f"/api/jobs/{ids[0]}/events").status
            assert refused == 503, f"a stream too many was answered {refused}"
            health = _p99([_timed(web, "GET", "/healthz") for _ in range(100)])
            submits = _p99([_timed(web, "POST", "/api/tasks/plus", {"x": 1, "y": 2}) for _ in range(100)])
            said = _told(clients)
    assert not said["refused"], f"{said['refused']} were refused"
    delays = [1000 * delay for delay in said["delays"]]
    p50, p99 = statistics.median(delays), _p99(delays)
    return Found(said["events"], said["missed"], said["cut"], p50, p99, kilobytes, health, submits)


@contextmanager
def watching(port: int, watchers: int, ids: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Have all watchers there, and count from now on."""
    command = [sys.executable, "-m", "benchmarks.watch_clients", str(port), str(watchers), *ids]
    clients = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _told(clients, "open")
        time.sleep(3.0)
        _told(clients, "counting", go=True)
        yield clients
    finally:
        clients.terminate()
        clients.wait()


@contextmanager
def started(url: str, case: Case) -> Iterator[tuple[Web, int]]:
    """Run the server and the worker; give the server's process id."""
    port, spare = free_port(), 40
    room = ["--worker-connections", str(case.watchers + spare), "--threads", str(case.watchers + spare)]
    env = clean_environment(
        BROKER_URL=url, CELERIAC_LOCAL="1", CELERIAC_STREAMS=str(case.watchers), MALLOC_ARENA_MAX="2"
    )
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder:
        web, works = Crew(Path(folder) / "web.log"), Crew(Path(folder) / "worker.log")
        try:
            web.start([sys.executable, "-m", "gunicorn", "benchmarks.watch_app:flask_app", "-k", case.kind, *room,
                       "--bind", f"127.0.0.1:{port}", "--no-control-socket"], cwd=root, env=env)  # fmt: skip
            works.start([sys.executable, "-m", "celery", "-A", "benchmarks.watch_app", "worker", "-Q", "io", "-P",
                         "threads", "-c", str(JOBS), "-n", "io@bench"], cwd=root, env=env)  # fmt: skip
            eventually(lambda: Web(port).answers("/healthz"), "an answer of the server")
            yield Web(port), web.pids()[0]
        finally:
            web.stop()
            works.stop()


def submit(web: Web, n: int, task: str, **arguments: object) -> list[str]:
    """Submit n jobs; return their ids."""
    ids = []
    for _ in range(n):
        answer = web("POST", f"/api/tasks/{task}", arguments)
        assert answer.status == 202, answer.body
        ids.append(answer.json["id"])
    return ids


def _told(clients: subprocess.Popen[str], expected: str = "", go: bool = True) -> Any:
    """Tell the clients to go on, unless they are only to be heard; return what they say."""
    assert clients.stdin
    assert clients.stdout
    if go and expected != "open":
        clients.stdin.write("go\n")
        clients.stdin.flush()
    line = clients.stdout.readline().strip()
    assert not expected or line == expected, f"The clients said {line!r}, not {expected!r}"
    return line if expected else json.loads(line)


def _timed(web: Web, method: str, path: str, data: object = None) -> float:
    began = time.perf_counter()
    assert web(method, path, data).status in (200, 202)
    return 1000 * (time.perf_counter() - began)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]
