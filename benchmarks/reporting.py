"""A thousand jobs that all report progress at full speed: what it costs, and what is left for others."""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.environments import clean_environment
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome, Ratio
from benchmarks.processes import Crew, cpu, memory
from benchmarks.servers import Server
from tests.article.running import eventually

METHOD = (
    "A worker with a thousand threads (queue `io`), each in a job that calls `progress()` ten times a second. By it "
    "a worker with two processes (queue `celery`) drains a backlog of tiny jobs: alone, beside a thousand jobs that do "
    "the same but report nothing, and beside those that report. Pipelines: what Redis read from all while the thousand "
    "ran alone. All share the same cores, so the tiny jobs' own CPU is shown too."
)
REPORTING, EVERY = 1000, 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """Tiny jobs a second, CPU seconds of their worker a job; of the other worker pipelines a second, MiB, cores."""

    rate: float
    cpu: float
    pipelines: float = 0.0
    mebibytes: float = 0.0
    cores: float = 0.0


def run(plan: Plan) -> Outcome:
    """Both in turn, over the same server and the same workers."""
    tiny, rounds = (2000, 1) if plan.quick else (12_000, plan.rounds)
    names = ("alone", "beside silent jobs", "beside reporting jobs")
    found: dict[str, list[Sample]] = {name: [] for name in names}
    with Server() as server, crews(server.url) as bench:
        for turn in range(rounds):
            print(f"  round {turn + 1}", file=sys.stderr, flush=True)
            found[names[0]].append(bench.drain(tiny))
            for name in names[1:]:
                with bench.running(silent="silent" in name):
                    found[name].append(bench.beside(tiny))
    columns = ["tiny jobs", "a second", "CPU µs each", "pipelines/s", "reporting worker MiB", "its cores"]
    outcome = Outcome("reporting", f"{REPORTING:,} jobs that report progress", METHOD, columns)
    for name, samples in found.items():
        rate, used, pipelines, mebibytes, cores = (
            statistics.median(getattr(sample, field) for sample in samples) for field in Sample.__slots__
        )
        outcome.rows.append(
            [name, f"{rate:,.0f}", f"{used * 1e6:.0f}", f"{pipelines:.0f}", f"{mebibytes:.0f}", f"{cores:.2f}"]
        )
    alone, silent, telling = found.values()
    outcome.ratios = [
        Ratio("tiny jobs/s, beside reporting ÷ beside silent jobs", _over(telling, silent), 0.9),
        Ratio("tiny jobs/s, beside reporting jobs ÷ alone", _over(telling, alone)),
        Ratio("pipelines/s of all, with a thousand reporting jobs", [sample.pipelines for sample in telling], -100.0),
    ]
    outcome.raw = {name: [asdict(sample) for sample in samples] for name, samples in found.items()}
    return outcome


def _over(these: list[Sample], those: list[Sample]) -> list[float]:
    return [one.rate / other.rate for one, other in zip(these, those, strict=True)]


@dataclass(frozen=True)
class Bench:
    """One server, the worker that reports, the worker that works."""

    celery: Any
    client: Any
    tells: Crew
    works: Crew

    def drain(self, tiny: int) -> Sample:
        """Queue a backlog while its worker is frozen; see how fast it goes."""
        self.works.freeze()
        for n in range(tiny):
            self.celery.send_task("plus", kwargs={"x": n, "y": 1}, queue="celery")
        busy = self._in_flight()
        used, start = cpu(self.works.pids()), time.monotonic()
        self.works.thaw()
        eventually(lambda: not self.client.llen("celery") and self._in_flight() <= busy, "an end of the tiny jobs", 300)
        seconds = time.monotonic() - start
        return Sample(tiny / seconds, (cpu(self.works.pids()) - used) / tiny)

    def beside(self, tiny: int) -> Sample:
        """Do the same while a thousand jobs report; count what these cost for some seconds without the others."""
        pids = self.tells.pids()
        pipelines, used, start = self._pipelines(), cpu(pids), time.monotonic()
        time.sleep(5.0)
        seconds = time.monotonic() - start
        pipelines, cores = (self._pipelines() - pipelines) / seconds, (cpu(pids) - used) / seconds
        found = self.drain(tiny)
        return Sample(found.rate, found.cpu, pipelines, memory(pids) / 2**20, cores)

    @contextmanager
    def running(self, silent: bool) -> Iterator[None]:
        """Have a thousand jobs run."""
        jobs = [
            self.celery.send_task("tick", kwargs={"every": EVERY, "seconds": 3600.0, "silent": silent}, queue="io")
            for _ in range(REPORTING)
        ]
        eventually(lambda: self._in_flight() == REPORTING, "a thousand running jobs")
        time.sleep(2.0)  # all threads have started
        yield
        for job in jobs:
            job.revoke()
        eventually(lambda: self._in_flight() == 0, "an end of the reporting jobs")

    def _in_flight(self) -> int:
        return int(self.client.zcard("celeriac:inflight"))

    def _pipelines(self) -> float:
        return float(self.client.info("stats")["total_reads_processed"])


@contextmanager
def crews(url: str) -> Iterator[Bench]:
    """Start both workers of one app over this server."""
    os.environ["BROKER_URL"] = url  # read by the app when it is imported
    celery = importlib.import_module("benchmarks.watch_app").celery
    env, root = (
        clean_environment(BROKER_URL=url, CELERIAC_LOCAL="1", MALLOC_ARENA_MAX="2"),
        Path(__file__).resolve().parents[1],
    )
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.watch_app", "worker", "--loglevel=WARNING"]
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder:
        tells, works = Crew(Path(folder) / "tells.log"), Crew(Path(folder) / "works.log")
        try:
            lanes = ((tells, "io", "threads", REPORTING), (works, "celery", "prefork", 2))
            for crew, queue, pool, size in lanes:
                crew.start(
                    [*command, "-Q", queue, "-P", pool, "-c", str(size), "-n", f"{queue}@bench"], cwd=root, env=env
                )
            eventually(lambda: len(celery.control.ping(timeout=1.0)) == len(lanes), "both workers")
            yield Bench(celery, Redis.from_url(url), tells, works)
        finally:
            works.thaw()
            tells.stop()
            works.stop()
