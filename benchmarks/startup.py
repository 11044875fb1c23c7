"""From `up` in a warm environment to the first job that has finished, and to the last part that is ready."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.drivers import DriverError
from benchmarks.environments import clean_environment, logs
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome, Ratio
from benchmarks.processes import Crew, cpu
from celeriac.stack.valkey import free_port
from tests.article.running import Web

METHOD = (
    "`up` as a person starts it in this project's folder, with an empty data folder on free ports: embedded Valkey, "
    "web server, two worker lanes, Flower. GET /healthz is tried every 10 ms until it is answered, then one POST /add "
    "is sent and its status asked for every 10 ms until it has succeeded. The first round warms the file system, and "
    "is not counted. CPU is of all processes together until the job has finished."
)
PATIENCE = 60.0
GOAL = -4.0


@dataclass(frozen=True)
class Start:
    """Seconds since `up`: a job was accepted, it had finished, every part was ready; CPU seconds until it finished."""

    accepted: float
    finished: float
    ready: float
    cpu: float


def run(plan: Plan) -> Outcome:
    """One round to warm up, then as many as are asked for; with Flower and without."""
    columns = ["parts", "accepted s", "first job finished s", "all parts ready s", "CPU s until then"]
    outcome = Outcome("startup", "From `up` to the first finished job", METHOD, columns)
    for name, options in (("all", []), ("without Flower", ["--no-flower"])):
        found = [take(options) for _ in range(plan.rounds + 1)][1:]
        values = [asdict(one) for one in found]
        cells = [statistics.median(one[key] for one in values) for key in ("accepted", "finished", "ready", "cpu")]
        outcome.rows.append([name, *(f"{cell:.1f}" for cell in cells)])
        outcome.ratios.append(Ratio(f"{name}: first job finished, s", [one.finished for one in found], GOAL))
        outcome.raw[name] = values
    return outcome


def take(options: list[str]) -> Start:
    """Start everything once, and stop it again."""
    port, spare, log = free_port(), free_port(), logs("startup")
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as data:
        ports = ["--port", str(port), "--flower-port", str(spare), "--data", data]
        up, web, began = Crew(log), Web(port), time.monotonic()
        said = log.stat().st_size if log.exists() else 0
        env = clean_environment()
        del env["PYTHONDONTWRITEBYTECODE"]  # a warm environment has its byte code
        root = Path(__file__).parents[1]
        up.start([sys.executable, "-m", "celeriac.stack", *ports, *options], cwd=root, env=env)
        try:
            _wait(up, lambda: web.answers("/healthz"))
            id = web("POST", "/add", {"x": 1, "y": 2}).json["task_id"]
            accepted = time.monotonic() - began
            _wait(up, lambda: web("GET", f"/status/{id}").json["state"] == "SUCCESS")
            finished, used = time.monotonic() - began, cpu(up.pids())
            _wait(up, lambda: "All parts are up" in log.read_text()[said:])
            return Start(accepted, finished, time.monotonic() - began, used)
        finally:
            up.stop(40)


def _wait(up: Crew, ask: Callable[[], object]) -> None:
    """Wait until it is so; the round is void when it never is."""
    until = time.monotonic() + PATIENCE
    while not ask():
        if time.monotonic() > until or up.dead():
            raise DriverError(f"`up` did not come up, see {logs('startup')}")
        time.sleep(0.01)
