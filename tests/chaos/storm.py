"""A storm: jobs keep coming while workers, pool children and the server are killed, stopped, frozen and restarted.

The oracle stands outside (the ledger of tests/crash): every job that was accepted ends, its result is there once, and
each further start of a job has a fault between it and the start before. Faults wait for a state, the seed chooses them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celeriac.errors import BrokerError
from celeriac.worker.app import NotSubmitted
from tests.crash.harness import LEASE, System, Worker, eventually

POOLS = ("prefork", "threads")
PACE = 0.1  # s between two submits
CALM = 90.0  # s for everything to end when the faults are over


@dataclass
class Verdict:
    """What the oracle found."""

    accepted: int
    refused: int
    faults: list[str]
    lost: list[str]
    unexplained: list[str]
    wrong: list[str]
    runs: int

    @property
    def sound(self) -> bool:
        return not (self.lost or self.unexplained or self.wrong)

    def __str__(self) -> str:
        faults = ", ".join(f"{name} × {self.faults.count(name)}" for name in sorted(set(self.faults)))
        return (
            f"{self.accepted} jobs accepted, {self.refused} refused, {self.runs - self.accepted} second runs; faults: "
            f"{faults}; lost {self.lost}, unexplained {self.unexplained}, wrong results {self.wrong}"
        )


@dataclass
class Storm:
    """One system under one seed."""

    folder: Path
    seed: int
    faults: list[tuple[float, str]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        # every accepted write is on disk: with `everysec` a killed server may forget up to two seconds (reliability.md)
        self.system = System(self.folder, config=["appendfsync always"], grace=1.0)
        self.workers: list[Worker] = [self.system.worker(pool, slots=2) for pool in POOLS]
        self._over = threading.Event()

    def blow(self, seconds: float, look: Callable[[], None] = lambda: None) -> Verdict:
        """Submit and break things for so long, then wait for calm and judge. `look` is called after each fault."""
        producer = threading.Thread(target=self._submit)
        producer.start()
        until = time.monotonic() + seconds
        kinds = [self.kill_worker, self.kill_child, self.deploy, self.freeze, self.kill_server, self.restart_server]
        try:
            while time.monotonic() < until:
                self._let_some_end(self.random.randint(3, 15))
                fault = self.random.choice(kinds)
                self.faults.append((time.monotonic(), fault.__name__))
                fault()
                look()
        finally:
            self._over.set()
            producer.join()
        return self._judge()

    def close(self) -> None:
        self.system.close()

    # -- faults ---------

    def kill_worker(self) -> None:
        """Kill -9 a worker with its children; another takes its place."""
        place = self.random.randrange(len(POOLS))
        self.workers[place].kill()
        self._replace(place)

    def kill_child(self) -> None:
        """Kill -9 one process of the prefork pool."""
        for line in reversed(self.system.ledger.lines()):
            if line[0] == "start" and self._is_child(int(line[2])):
                with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(int(line[2]), signal.SIGKILL)
                return

    def deploy(self) -> None:
        """Ask a worker to stop, as a deploy does, and start another."""
        place = self.random.randrange(len(POOLS))
        self.workers[place].terminate()
        self.workers[place].ended()
        self._replace(place)

    def freeze(self) -> None:
        """Stop a worker for longer than its lease, then let it go on."""
        worker = self.random.choice(self.workers)
        worker.freeze()
        time.sleep(2 * LEASE)
        worker.thaw()
        self.faults.append((time.monotonic(), "thaw"))

    def kill_server(self) -> None:
        self.system.valkey.kill()
        self.system.valkey.start()

    def restart_server(self) -> None:
        self.system.valkey.stop()
        self.system.valkey.start()

    # -- the rest ---------

    def _submit(self) -> None:
        number = 0
        while not self._over.wait(PACE):
            key = f"s{self.seed}-{number}"
            number += 1
            try:
                self.results[key] = self.system.submit("note", key, self.random.choice((0.0, 0.05, 0.4)))
            except (BrokerError, NotSubmitted, OSError):
                self.refused += 1

    def _let_some_end(self, n: int) -> None:
        goal = sum(self.system.ledger.counts("end").values()) + n
        eventually(lambda: sum(self.system.ledger.counts("end").values()) >= goal, f"{n} more ends", CALM)

    def _replace(self, place: int) -> None:
        self.workers[place] = self.system.worker(POOLS[place], slots=2)

    def _is_child(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1] == str(self.workers[0].pid)
        except OSError:
            return False

    def _judge(self) -> Verdict:
        ledger, keys = self.system.ledger, set(self.results)
        try:
            eventually(lambda: keys <= set(ledger.counts("end")), "the end of every accepted job", CALM)
            self.system.settled(CALM)
        except AssertionError:
            pass  # told below, by name
        lost = sorted(keys - set(ledger.counts("end")))
        wrong = [key for key in sorted(keys - set(lost)) if self.results[key].get(timeout=10) != key]
        starts = ledger.counts("start")
        unexplained = [key for key in sorted(keys) if starts[key] > 1 and not self._is_explained(key)]
        names = [name for _, name in self.faults if name != "thaw"]
        runs = sum(starts[key] for key in keys)
        return Verdict(len(keys), self.refused, names, lost, unexplained, wrong, runs)

    def _is_explained(self, key: str) -> bool:
        """Was there a fault between any two starts of the job, one start after the other?"""
        times = [float(line[3]) for line in self.system.ledger.lines() if line[:2] == ["start", key]]
        return all(
            any(first - 0.5 <= when <= second for when, _ in self.faults) for first, second in itertools.pairwise(times)
        )
