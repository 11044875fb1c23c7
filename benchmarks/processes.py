"""Process trees: start, freeze, thaw, stop, and what they cost in CPU and memory (Linux: reads /proc)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

TICK = 1.0 / os.sysconf("SC_CLK_TCK")


class Crew:
    """The worker processes of one system, each with all its descendants; logs go to one file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._mains: list[subprocess.Popen[bytes]] = []

    def start(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Start one more main process in a session of its own."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                list(command), cwd=cwd, env=dict(env), stdout=log, stderr=log, start_new_session=True
            )
        self._mains.append(process)

    def pids(self) -> list[int]:
        """Main processes and their descendants, parents first."""
        return [pid for main in self._mains for pid in descendants(main.pid)]

    def dead(self) -> list[int]:
        """Exit codes of main processes that ended by themselves."""
        return [main.returncode for main in self._mains if main.poll() is not None]

    def freeze(self) -> None:
        """Stop all processes, so that a backlog can be built."""
        _signal(self.pids(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all processes go on, children first."""
        _signal(reversed(self.pids()), signal.SIGCONT)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM to the main processes, SIGKILL to what is left of their sessions after `grace` seconds."""
        everyone = self.pids()
        _signal((main.pid for main in self._mains if main.poll() is None), signal.SIGTERM)
        deadline = time.monotonic() + grace
        for main in self._mains:
            try:
                main.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                main.kill()
                main.wait()
        _signal((pid for pid in everyone if _session_of(pid) in {m.pid for m in self._mains}), signal.SIGKILL)
        self._mains.clear()


def descendants(root: int) -> list[int]:
    """The process and all below it, parents before children; empty when it is gone."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root] if _stat(root) else []
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu(pids: Iterable[int]) -> float:
    """CPU seconds used so far by these processes and by their children that have ended."""
    rows = [fields for pid in pids if (fields := _stat(pid))]
    return sum(sum(int(value) for value in fields[11:15]) for fields in rows) * TICK


def machine() -> float:
    """CPU seconds that everything on this machine has used so far, what its host took away included."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]  # user nice system idle iowait irq softirq steal
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) * TICK


def memory(pids: Iterable[int]) -> int:
    """Proportional set size in bytes: memory shared by several processes is counted once."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name (the state is the first); empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = text.rpartition(")")[2].split()
    return [] if fields[0] in "ZX" else fields


def _session_of(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else -1


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended between the listing and the signal
