"""The web servers that `benchmarks.http` compares: each with what it takes to submit a job and to look at it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.drivers import DriverError
from benchmarks.environments import PEERS, logs
from benchmarks.processes import Crew, cpu
from benchmarks.servers import Server
from benchmarks.systems.celery import CelerySystem
from celeriac.stack.valkey import free_port

#: One process, so that one core is the limit of them all; threads as `up` gives them.
GUNICORN = ("--worker-class", "gthread", "--workers", "1", "--threads", "64", "--no-control-socket")
CONNECTIONS = 8
PATIENCE = 30.0
SECRET = {"SECRET_KEY": "benchmarks-0123456789-abcdef-ghijkl"}


@dataclass(frozen=True)
class Site(CelerySystem):
    """A web server and, for a moment, a worker: one job is done before anything is measured."""

    app: str = "run:app"
    submit: str = "/add"
    look: str = "/status/{id}"
    id: str = "task_id"
    token: bool = False
    ready: Callable[[dict[str, Any]], bool] = field(default=lambda body: body["state"] in ("SUCCESS", "succeeded"))

    @contextlib.contextmanager
    def serving(self) -> Iterator[Serving]:
        """Serve on a fresh Redis, with one job that has ended and one that waits."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server())
            log, port = logs(self.name), free_port()
            web, worker = Crew(log), Crew(log)
            stack.callback(web.stop)
            stack.callback(worker.stop)
            env, folder = self.environment(server), PEERS / self.folder
            header = self._header(env) if self.token else ""
            web.start(
                [self.program("gunicorn"), self.app, *GUNICORN, "--bind", f"127.0.0.1:{port}"], cwd=folder, env=env
            )
            serving = Serving(self, server, web, port, header)
            serving.wait_for("the server", serving.answers)
            for command in self.commands:
                worker.start([self.program(command[0]), *command[1:]], cwd=folder, env=env)
            done = serving.first()
            serving.wait_for("the first job", lambda: self.ready(serving.ask("GET", self.look.format(id=done))))
            worker.stop()
            serving.done, serving.queued = done, serving.first()
            yield serving

    def _header(self, env: dict[str, str]) -> str:
        words = ["jobs", "token", "create", "--owner", "bench", "--scope", "submit", "--scope", "read", "--json"]
        made = subprocess.run([self.program("flask"), "--app", self.app, *words], cwd=PEERS / self.folder, env=env,
                              capture_output=True, text=True, check=True)  # fmt: skip
        return f"Authorization: Bearer {json.loads(made.stdout)['token']}\r\n"


@dataclass
class Serving:
    """A site that serves; `done` and `queued` are the ids of two of its jobs."""

    site: Site
    server: Server
    web: Crew
    port: int
    header: str
    done: str = ""
    queued: str = ""

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        """Return a request as bytes."""
        sent = b"" if body is None else json.dumps(body).encode()
        typed = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n" if sent else ""
        return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{self.header}{typed}\r\n".encode() + sent

    def load(self, request: bytes, seconds: float, expected: int) -> dict[str, Any]:
        """Send the request over and over; return rates, times (ms) and CPU (µs per request). Anything else is void."""
        before, redis = cpu(self.web.pids()), cpu([self.server.pid])
        command = [sys.executable, "-m", "benchmarks.load", str(self.port), str(CONNECTIONS), str(seconds)]
        ran = subprocess.run(command, input=request, capture_output=True, check=False, timeout=seconds + PATIENCE)
        if ran.returncode:
            raise DriverError(f"the load broke off: {ran.stderr.decode().strip().splitlines()[-1:]}")
        found: dict[str, Any] = json.loads(ran.stdout)
        if set(found["statuses"]) != {str(expected)}:
            raise DriverError(f"answers other than {expected}: {found['statuses']}")
        each = 1e6 / found["n"]
        used = {"web": (cpu(self.web.pids()) - before) * each, "redis": (cpu([self.server.pid]) - redis) * each}
        return {**found, **used, "rate": found["n"] / found["seconds"]}

    def first(self) -> str:
        """Submit one job."""
        return str(self.ask("POST", self.site.submit, {"x": 1, "y": 2})[self.site.id])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request."""
        name, _, value = self.header.strip().partition(": ")
        headers = {"Content-Type": "application/json"} | ({name: value} if name else {})
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        """Whether somebody listens."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/nothing", timeout=1)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def wait_for(self, what: str, ask: Callable[[], bool]) -> None:
        """Wait until it is so; the round is void when it never is."""
        until = time.monotonic() + PATIENCE
        while not ask():
            if time.monotonic() > until or self.web.dead():
                raise DriverError(f"{what} did not come, see {logs(self.site.name)}")
            time.sleep(0.05)
