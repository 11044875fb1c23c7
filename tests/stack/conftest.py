"""What the tests of `up` may ask for: whole stacks, and the traces that one has left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from celeriac.stack.valkey import free_port

ROOT = Path(__file__).parents[2]
WITHIN = 90.0  # generous: machines are busy


class Stack:
    """`up` as a person starts it, on free ports and with data of its own."""

    def __init__(self, data: Path, *options: str, **environ: str) -> None:
        self.data = data
        self.port, self.flower_port = free_port(), free_port()
        ports = ["--port", str(self.port), "--flower-port", str(self.flower_port), "--data", str(data)]
        strange = ("BROKER_URL", "RESULT_BACKEND", "SECRET_KEY")
        env = {name: value for name, value in os.environ.items() if name not in strange}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celeriac.stack", *ports, *options],
            cwd=ROOT,
            env={**env, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._sessions: set[int] = set()
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()

    def says(self, pattern: str, since: int = 0) -> str:
        """Return the first line that matches; fail when none comes."""
        found: list[str] = []

        def look() -> bool:
            found.extend(line for line in self.lines[since:] if re.search(pattern, line))
            return bool(found)

        with self._more:
            assert self._more.wait_for(look, WITHIN), f"nobody said {pattern!r}:\n" + self.said()
        return found[0]

    def said(self) -> str:
        return "\n".join(self.lines[-80:])

    def up(self) -> Stack:
        """Wait until all parts are up."""
        self.says("All parts are up|before it was ready")
        assert "before it was ready" not in self.said(), self.said()
        return self

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Send a request to the app; return status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def state_of(self, task_id: str, wanted: str) -> dict[str, Any]:
        """Return the job's status once its state is `wanted`."""
        return wait_for(
            lambda: (status := self.ask(f"/status/{task_id}")[1]).get("state") == wanted and status,
            lambda: f"{task_id} is not {wanted}: {self.ask(f'/status/{task_id}')}\n{self.said()}",
        )

    def processes(self) -> dict[int, str]:
        """Return pid and command of the living processes of this stack, but for the supervisor itself.

        Each part leads a session, so whoever is in a session that a child of the supervisor leads is ours.
        """
        table = dict(_process_table())
        self._sessions |= {
            pid for pid, (parent, session) in table.items() if parent == self.process.pid and pid == session
        }
        ours = [pid for pid, (_, session) in table.items() if session in self._sessions]
        return {pid: _command(pid) for pid in ours}

    def pid_of(self, *words: str) -> int:
        """Return the main process of a part: the one with these words that leads a session."""
        for pid, command in self.processes().items():
            if pid in self._sessions and all(word in command for word in words):
                return pid
        raise AssertionError(f"no process with {words}: {self.processes()}")

    def kill(self) -> None:
        """Kill the supervisor with -9, having noted (while it stands still) what it has started."""
        self.process.send_signal(signal.SIGSTOP)
        self.processes()
        self.process.send_signal(signal.SIGKILL)
        self.ended()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the supervisor's end and return its exit code."""
        code = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        return code

    def gone(self) -> None:
        """Wait until no process of the stack is left."""
        wait_for(lambda: not self.processes(), lambda: f"left behind: {self.processes()}")

    def close(self) -> None:
        """End whatever is left, by process id."""
        self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self._reader.join(WITHIN)


def _process_table() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield pid, parent and session of every process that is not a zombie."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, _, session, *_ = (folder / "stat").read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if state != "Z":
            yield int(folder.name), (int(parent), int(session))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(question: Callable[[], Any], otherwise: Callable[[], str]) -> Any:
    """Return the first true answer to the question; fail when there is none within the time."""
    deadline = time.monotonic() + WITHIN
    while not (answer := question()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)
    return answer


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Start a stack on `tmp_path/data`: `start("--no-flower", CELERIAC_GRACE="3")`."""
    stacks: list[Stack] = []

    def begin(*options: str, **environ: str) -> Stack:
        stacks.append(Stack(tmp_path / "data", *options, **environ))
        return stacks[-1]

    yield begin
    for stack in stacks:
        stack.close()
