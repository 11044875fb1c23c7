"""Speaks processes and HTTP: programs of the stack, started and stopped by the tests, and calls to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
DEADLINE = 60.0


def eventually(ask: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """Return the first true answer; fail with `what` when there is none in time."""
    until = time.monotonic() + deadline
    while not (answer := ask()):
        assert time.monotonic() < until, f"It did not happen in {deadline:.0f} s: {what}"
        time.sleep(0.05)
    return answer


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One process of the stack, with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path = ROOT) -> None:
        self.log = log
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        known = {k: v for k, v in os.environ.items() if not k.startswith(("CELERIAC_", "CELERY_", "FLOWER_"))}
        known.pop("PYTHONUNBUFFERED", None)  # a line must be seen at once without it, as on most machines
        known["CELERIAC_HISTORY"] = "false"  # tests/history has it on; here nobody shall write into var/
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=cwd, env={**known, "PATH": path, **env}, stdout=out, stderr=out
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, words: str) -> None:
        """Wait until the output holds these words."""

        def said() -> bool:
            assert self.process.poll() is None, f"It ended with {self.process.returncode}:\n{self.output}"
            return words in self.output

        eventually(said, f"{words!r} in the output of {self.process.args!r}")

    def stop(self) -> None:
        """Ask the main process to stop; end it by force when it does not."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Web:
    """A server on this machine."""

    port: int

    def __call__(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        form: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request: `data` as JSON, or a form, or `raw` bytes with `headers`."""
        sent = {"Content-Type": "application/json"} if data is not None else {}
        body = json.dumps(data).encode() if data is not None else raw
        if form is not None:
            body = urllib.parse.urlencode(form).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        asked = urllib.request.Request(url, body, {**sent, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=DEADLINE) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as reply:
            return Answer(reply.code, reply.headers, reply.read())

    def answers(self, path: str = "/primes/2") -> bool:
        """Does it answer 200 here?"""
        try:
            return self("GET", path).status == 200
        except OSError:
            return False

    def finishes(self, task_id: str) -> Any:
        """Wait until the job's state is final; return the whole answer of /status."""

        def final() -> Any:
            told = self("GET", f"/status/{task_id}").json
            return told if told["state"] in ("SUCCESS", "FAILURE", "REVOKED") else None

        return eventually(final, f"the end of job {task_id}")

    def reaches(self, task_id: str, state: str) -> Any:
        """Wait until the job is in this state; return the whole answer of /status."""

        def reached() -> Any:
            told = self("GET", f"/status/{task_id}").json
            return told if told["state"] == state else None

        return eventually(reached, f"{state} of job {task_id}")
