"""The harness's end of a driver process: one request line, one answer line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class DriverError(Exception):
    """The driver ended or a job of it is missing or wrong; the round is void."""


class Driver:
    """Submits jobs and checks their results inside a peer's own environment."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._log = log

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Send one request and wait for its answer; the driver itself bounds every wait."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        try:
            pipe_in.write(json.dumps({"do": do, **values}) + "\n")
            pipe_in.flush()
        except BrokenPipeError:
            raise DriverError(f"the driver is gone, see {self._log}") from None
        line = pipe_out.readline()
        if not line:
            raise DriverError(f"the driver ended during {do!r}, see {self._log}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def finish(self, seconds: float, **values: Any) -> float:
        """Wait until all submitted jobs have their right results; the moment (monotonic) when they had."""
        answer = self.ask("wait", seconds=seconds, **values)
        if answer["wrong"]:
            raise DriverError(f"wrong results, for example {answer['wrong'][0]}")
        if answer["missing"]:
            raise DriverError(f"{answer['missing']} results missing after {seconds:.0f} s {answer.get('lost', '')}")
        return float(answer["finished"])

    @property
    def pid(self) -> int:
        """The driver's process."""
        return self._process.pid

    def stop(self) -> None:
        """Close its input and wait; kill it when it does not end."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
