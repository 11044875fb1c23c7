"""The other Python systems, each at its best documented setting with two worker processes."""

from __future__ import annotations

from benchmarks.systems.base import System

HUEY = System(
    name="huey",
    setting="2 processes × 2 threads",
    delivery="lost on kill",
    folder="huey",
    commands=[("huey_consumer", "jobs.huey", "-w", "2", "-k", "thread", "-n", "-q")] * 2,
    naps=[("huey_consumer", "jobs.huey", "-w", "1000", "-k", "thread", "-n", "-q")],
    pace=3000,
)
DRAMATIQ = System(
    name="dramatiq",
    setting="2 processes × 8 threads",
    delivery="at least once",
    folder="dramatiq",
    commands=[("dramatiq", "jobs", "--processes", "2", "--threads", "8")],
    naps=[("dramatiq", "jobs", "--processes", "1", "--threads", "1000")],
    pace=2200,
)
TASKIQ = System(
    name="taskiq",
    setting="streams, 2 processes, 100 coroutines each",
    delivery="at least once",
    folder="taskiq",
    commands=[("taskiq", "worker", "jobs:broker", "--workers", "2", "--log-level", "WARNING")],
    naps=[
        (
            "taskiq",
            "worker",
            "jobs:broker",
            "--workers",
            "1",
            "--log-level",
            "WARNING",
            "--max-async-tasks",
            "1000",
        )
    ],
    pace=2300,
)
SAQ = System(
    name="saq",
    setting="2 processes × 20 coroutines, uvloop",
    delivery="at least once",
    folder="saq",
    commands=[("saq", "jobs.settings", "--quiet")] * 2,
    naps=[("saq", "jobs.settings", "--quiet")],
    nap_env={"BENCH_CONCURRENCY": "1000"},
    pace=2000,
)
ARQ = System(
    name="arq",
    setting="2 processes × 100 coroutines, uvloop, 5 ms poll",
    delivery="at least once",
    folder="arq",
    commands=[("arq", "jobs.Worker", "--custom-log-dict", "jobs.LOGGING")] * 2,
    naps=[("arq", "jobs.Worker", "--custom-log-dict", "jobs.LOGGING")],
    nap_env={"BENCH_CONCURRENCY": "1000"},
    pace=1000,
)
STREAQ = System(
    name="streaq",
    setting="2 processes × 64 coroutines, uvloop",
    delivery="at least once",
    folder="streaq",
    commands=[("python", "work.py")] * 2,
    naps=[("python", "work.py")],
    nap_env={"BENCH_CONCURRENCY": "1000"},
    pace=1300,
    bulk=True,
)
RQ_SIMPLE = System(
    name="rq simple",
    setting="2 SimpleWorkers (no fork)",
    delivery="at least once",
    folder="rq",
    commands=[("rq", "worker", "--worker-class", "rq.SimpleWorker", "--quiet", "--url", "{url}")] * 2,
    pace=330,
    bulk=True,
)
RQ_FORK = System(
    name="rq",
    setting="2 workers, a fork for each job (default)",
    delivery="at least once",
    folder="rq",
    commands=[("rq", "worker", "--quiet", "--url", "{url}")] * 2,
    pace=80,
    bulk=True,
)
