"""A storm: jobs keep coming while workers, pool children and the server are killed, stopped, frozen and restarted.

The oracle stands outside (the ledger of tests/crash): every job that was accepted ends, its result is there, and each
further start of a job has a reason: the process of the start before was killed, or frozen for longer than its lease.
What happens to the server, to connections, or by a deploy is no reason. Faults wait for a state, the seed chooses them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery.exceptions import TimeoutError as CeleryTimeout
from celery.exceptions import WorkerLostError

from celeriac.errors import BrokerError
from celeriac.worker.app import NotSubmitted
from tests.article.running import eventually
from tests.crash.harness import LEASE, System, Worker

POOLS = ("prefork", "threads")
PACE = 0.04  # s between two submits: about as many jobs as the workers can do
BACKLOG = 300  # jobs that wait at the most: a machine that is busy otherwise does fewer
CALM = 90.0  # s for everything to end when the faults are over
GRACE = 10.0  # s: longer than any job of a storm


@dataclass(frozen=True)
class Fault:
    """What was done, when (monotonic), and the processes whose jobs may run again because of it."""

    name: str
    began: float
    ended: float
    pids: frozenset[int] = frozenset()

    def explains(self, pid: int, first: float, second: float) -> bool:
        """Is it the reason why a job that this process started was started again?"""
        return pid in self.pids and first <= self.ended and self.began <= second

    def woke(self, pid: int, started: float) -> bool:
        """Did this process start a job that is another's since it was frozen, because it has just woken?"""
        return self.name == "freeze" and pid in self.pids and self.began <= started < self.ended + LEASE


@dataclass
class Verdict:
    """What the oracle found."""

    accepted: int
    refused: int
    faults: list[str]
    lost: list[str]
    unexplained: list[str]
    wrong: list[str]
    miscounted: list[str]
    second_runs: int

    @property
    def sound(self) -> bool:
        # one may have been killed after it began and before its first line in the ledger
        return not (self.lost or self.unexplained or self.wrong or self.miscounted[1:])

    def __str__(self) -> str:
        faults = ", ".join(f"{name} × {self.faults.count(name)}" for name in sorted(set(self.faults)))
        return (
            f"{self.accepted} jobs accepted, {self.refused} refused, {self.second_runs} second runs; faults: "
            f"{faults}; lost {self.lost}, unexplained {self.unexplained}, wrong results {self.wrong}, "
            f"miscounted losses {self.miscounted}"
        )


@dataclass
class Storm:
    """One system under one seed."""

    folder: Path
    seed: int
    faults: list[Fault] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        self.random, self.dice = random.Random(self.seed), random.Random(self.seed)  # one for each thread
        # every accepted write is on disk: with `everysec` a killed server may forget up to two seconds (reliability.md)
        self.system = System(self.folder, config=["appendfsync always"], grace=GRACE)
        self.workers: list[Worker] = [self.system.worker(pool, slots=2) for pool in POOLS]
        self._over = threading.Event()

    def blow(self, seconds: float, look: Callable[[], None] = lambda: None) -> Verdict:
        """Submit and break things for so long, then wait for calm and judge. `look` is called after each fault."""
        producer = threading.Thread(target=self._submit)
        producer.start()
        until = time.monotonic() + seconds
        kinds = [
            *(self.kill_worker, self.kill_child, self.freeze),
            *(self.deploy, self.cut, self.kill_server, self.restart_server, self.hang_server),
        ]
        try:
            while time.monotonic() < until:
                self._let_some_end(self.random.randint(3, 15))
                for worker in self.workers:
                    assert worker.alive, f"A worker ended by itself:\n{worker.output[-5000:]}"
                fault = self.random.choice(kinds)
                began, pids = time.monotonic(), fault()
                self.faults.append(Fault(fault.__name__, began, time.monotonic(), frozenset(pids)))
                look()
        finally:
            self._over.set()
            producer.join()
        return self._judge()

    def close(self) -> None:
        self.system.close()

    # -- faults ---------

    def kill_worker(self) -> set[int]:
        """Kill -9 a worker with its children; another takes its place."""
        place = self.random.randrange(len(POOLS))
        pids = members(self.workers[place])
        self.workers[place].kill()
        self._replace(place)
        return pids

    def kill_child(self) -> set[int]:
        """Kill -9 one process of the prefork pool."""
        children = sorted(members(self.workers[0]) - {self.workers[0].pid})
        if not children:
            return set()
        pid = self.random.choice(children)
        with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)
        return {pid}

    def freeze(self) -> set[int]:
        """Stop a worker for longer than its lease, then let it go on."""
        worker = self.random.choice(self.workers)
        pids = members(worker)
        worker.freeze()
        time.sleep(2 * LEASE)
        worker.thaw()
        return pids

    def deploy(self) -> set[int]:
        """Ask a worker to stop, as a deploy does, and start another."""
        place = self.random.randrange(len(POOLS))
        self.workers[place].terminate()
        self.workers[place].ended()
        self._replace(place)
        return set()

    def cut(self) -> set[int]:
        """Close every connection to the server."""
        self.system.redis.client_kill_filter(_type="normal", skipme=True)
        return set()

    def kill_server(self) -> set[int]:
        self.system.valkey.kill()
        self.system.valkey.start()
        return set()

    def restart_server(self) -> set[int]:
        self.system.valkey.stop()
        self.system.valkey.start()
        return set()

    def hang_server(self) -> set[int]:
        """Stop the server for longer than every lease, then let it go on."""
        os.kill(self.system.valkey.pid, signal.SIGSTOP)
        time.sleep(1.5 * LEASE)
        os.kill(self.system.valkey.pid, signal.SIGCONT)
        return set()

    # -- the rest ---------

    def _submit(self) -> None:
        number = 0
        while not self._over.wait(PACE):
            if len(self.results) - len(self.system.ledger.counts("end")) > BACKLOG:
                continue
            key = f"s{self.seed}-{number}"
            number += 1
            try:
                self.results[key] = self._submit_one(key)
            except (BrokerError, NotSubmitted, OSError):
                self.refused += 1

    def _submit_one(self, key: str) -> Any:
        """Submit a job that runs at once, or later, or asks for another try."""
        dice = self.dice.random()
        if dice < 0.05:
            return self.system.submit("stubborn", key, 1)
        countdown = self.dice.random() * 2 if dice < 0.2 else None
        return self.system.submit("note", key, self.dice.choice((0.0, 0.05, 0.4)), countdown=countdown)

    def _let_some_end(self, n: int) -> None:
        goal = sum(self.system.ledger.counts("end").values()) + n
        eventually(lambda: sum(self.system.ledger.counts("end").values()) >= goal, f"{n} more ends", CALM)

    def _replace(self, place: int) -> None:
        self.workers[place] = self.system.worker(POOLS[place], slots=2)

    def _judge(self) -> Verdict:
        ledger, keys = self.system.ledger, set(self.results)
        try:
            eventually(lambda: keys <= set(ledger.counts("end")), "the end of every accepted job", CALM)
            self.system.settled(CALM)
        except AssertionError:
            pass  # told below, by name
        gone = sorted(keys - set(ledger.counts("end")))
        wrong = [self._whole(key) for key in sorted(keys - set(gone)) if not self._is_right(key)]
        again = {key: times - 1 for key, times in ledger.counts("start").items() if times > 1}
        unexplained = [self._story(key) for key in sorted(again) if not self._is_explained(key)]
        names = [fault.name for fault in self.faults]
        lost = [self._whole(key) for key in gone]
        starts = Counter(words[1].partition(".")[0] for words in ledger.lines() if words[0] == "start")
        miscounted = [self._whole(key) for key in sorted(keys) if self._losses(key) > starts[key]]
        return Verdict(len(keys), self.refused, names, lost, unexplained, wrong, miscounted, sum(again.values()))

    def _is_right(self, key: str) -> bool:
        try:
            return bool(self.results[key].get(timeout=10) == key)
        except CeleryTimeout:
            return False
        except WorkerLostError:  # the third fault in a row that hit it
            return self._losses(key) == self.system.space.max_losses

    def _losses(self, key: str) -> int:
        """Return how many of its attempts count as lost: at the most the starts that did not become its result."""
        found = self.system.record(self.results[key].id)
        return int(found.get("losses", 0)) + (found.get("state") == "succeeded")

    def _is_explained(self, key: str) -> bool:
        """Has each start of the job after the first a reason in the process of the start before?"""
        starts = [(int(line[2]), float(line[3])) for line in self.system.ledger.lines() if line[:2] == ["start", key]]
        return all(
            any(fault.explains(pid, first, second) or fault.woke(pid, first) or fault.woke(late, second)
                for fault in self.faults)
            for (pid, first), (late, second) in itertools.pairwise(starts)
        )  # fmt: skip

    def _whole(self, key: str) -> str:
        return f"{self._story(key)}; {self.system.record(self.results[key].id)}"

    def _story(self, key: str) -> str:
        """Return the starts of a job, and the faults between them, for who must find out why."""
        starts = [(int(line[2]), float(line[3])) for line in self.system.ledger.lines() if line[:2] == ["start", key]]
        if not starts:
            return f"{key} never started"
        first, last = starts[0][1], starts[-1][1]
        told = [
            f"{fault.name} {fault.began - first:.1f}…{fault.ended - first:.1f} s {sorted(fault.pids)}"
            for fault in self.faults
            if first - 5 <= fault.ended and fault.began <= last
        ]
        runs = ", ".join(f"{at - first:.1f} s in {pid}" for pid, at in starts)
        return f"{key} started after {runs}; faults: {'; '.join(told)}"


def members(worker: Worker) -> set[int]:
    """Return the worker's processes: those of its session."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rsplit(")", 1)[1].split()[3] == str(worker.pid):
                found.add(int(path.parent.name))
    return found
