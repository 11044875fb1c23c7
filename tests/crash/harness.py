"""Speaks processes and signals: a broker and workers of its own for one test, and the oracle that stands outside.

The oracle is a file to which every job appends a line when it starts and one when it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import redis
from celery.result import AsyncResult

from celeriac.stack.children import tied_to_parent
from celeriac.stack.valkey import Valkey
from celeriac.store.moves import Space
from tests.article.running import DEADLINE, ROOT, eventually
from tests.crash import app as jobs

LEASE = 2.0


class Ledger:
    """What the jobs wrote: "start <key> <pid> <monotonic>" and "end …"."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines() if line.count(" ") == 3]

    def starts(self, key: str) -> int:
        return sum(words[:2] == ["start", key] for words in self.lines())

    def counts(self, word: str) -> Counter[str]:
        """Return how often each key started or ended."""
        return Counter(words[1] for words in self.lines() if words[0] == word)

    def pid(self, key: str) -> int:
        """Return the process of the latest start."""
        return next(int(words[2]) for words in reversed(self.lines()) if words[:2] == ["start", key])

    def when(self, word: str, key: str) -> float:
        """Return the time of the latest such line (monotonic)."""
        return next(float(words[3]) for words in reversed(self.lines()) if words[:2] == [word, key])


class Worker:
    """One worker process with its pool's children, in a session of its own."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        known = {k: v for k, v in os.environ.items() if not k.startswith(("CELERIAC_", "CELERY_", "CRASH_"))}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={"CELERIAC_HISTORY": "false", **known, **env}, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=tied_to_parent(),  # noqa: PLW1509  (see children.py)
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def says(self, words: str, deadline: float = DEADLINE) -> None:
        """Wait until the output holds these words."""

        def said() -> bool:
            if words in self.output:
                return True
            assert self.alive, f"It ended with {self.process.returncode}:\n{self.output}"
            return False

        eventually(said, f"{words!r} in the output of the worker", deadline)

    def freeze(self) -> None:
        """Stop all of it, as a machine that hangs would."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self, children: bool = True) -> None:
        """End it at once; without its children, they live on as orphans."""
        if children:
            os.killpg(self.pid, signal.SIGKILL)
        else:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> None:
        """Ask the main process to stop, as a deploy does."""
        self.process.terminate()

    def ended(self, deadline: float = DEADLINE) -> int:
        """Wait for the end; return the exit code."""
        eventually(lambda: not self.alive, "the end of the worker", deadline)
        return int(self.process.returncode)

    def end(self) -> None:
        """Leave nothing behind."""
        for _ in range(2):
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                break
        self.process.wait()


class System:
    """A broker, a ledger, and what a test starts over them. `lease` in seconds."""

    def __init__(self, folder: Path, config: Iterable[str] = (), lease: float = LEASE, **settings: Any) -> None:
        self.folder = folder
        self.valkey = Valkey(folder / "valkey", config=[*config]).start()
        self.ledger = Ledger(folder / "ledger")
        self.space = Space("", lease, settings.get("max_losses", 3))
        self.settings = {"lease": lease, **settings}
        self.workers: list[Worker] = []
        self.app = jobs.create(
            BROKER_URL=self.valkey.url, **{f"CELERIAC_{k.upper()}": v for k, v in self.settings.items()}
        )
        self.celery = self.app.extensions["celery"]
        self.redis = redis.Redis.from_url(self.valkey.url, socket_timeout=10)

    def worker(
        self, pool: str = "prefork", slots: int = 2, queues: str = "celery", url: str = "", soft: float = 0.0,
        **settings: Any,
    ) -> Worker:  # fmt: skip
        """Start a worker and return it when it is ready.

        `settings` are its own, `url` another way to the broker, `soft` the grace of a cold stop (s).
        """
        name = f"w{len(self.workers)}"
        env = {f"CELERIAC_{k.upper()}": str(v) for k, v in {**self.settings, **settings}.items()}
        env |= {
            "BROKER_URL": url or self.valkey.url,
            "CRASH_LEDGER": str(self.ledger.path),
            "CRASH_SOFT_STOP": str(soft),
        }
        command = [
            sys.executable, "-m", "celery", "-A", "tests.crash.app", "worker", "-Q", queues, "-P", pool,
            "-c", str(slots), "-n", f"{name}@crash", "--loglevel", "INFO", "--without-gossip", "--without-mingle",
        ]  # fmt: skip
        worker = Worker(command, env, self.folder / f"{name}.log")
        self.workers.append(worker)
        worker.says(f"{name}@crash ready")
        return worker

    def submit(self, task: str, *args: Any, **options: Any) -> AsyncResult[Any]:
        """Submit a job by the name of its function."""
        return self.celery.tasks[f"tests.crash.app.{task}"].apply_async(args, **options)

    def submit_many(self, keys: Iterable[str], seconds: float = 0.0) -> dict[str, AsyncResult[Any]]:
        return {key: self.submit("note", key, seconds) for key in keys}

    def gate(self, name: str = "gate") -> Path:
        """Return a file that lets `hold` jobs go when it exists."""
        return self.folder / name

    def number(self, name: str, field: str) -> int:
        return int(self.redis.hget(f"{self.space.keys}{name}", field) or 0)

    def record(self, id: str) -> dict[str, str]:
        """Return the job's record."""
        found = self.redis.hgetall(f"{self.space.keys}job:{id}")
        return {key.decode(): value.decode() for key, value in found.items()}

    def started(self, key: str, times: int = 1, deadline: float = DEADLINE) -> None:
        eventually(lambda: self.ledger.starts(key) >= times, f"start {times} of {key}", deadline)

    def finished(self, keys: Iterable[str], deadline: float = DEADLINE) -> None:
        """Wait until each of these has ended at least once."""
        wanted = set(keys)
        eventually(lambda: wanted <= set(self.ledger.counts("end")), f"the end of {len(wanted)} jobs", deadline)

    def is_empty(self) -> bool:
        """Is nothing queued, delayed or in flight?"""
        pipe = self.redis.pipeline()
        pipe.llen("celery").zcard(f"{self.space.keys}inflight").zcard(f"{self.space.keys}delayed")
        pipe.hlen(f"{self.space.keys}inflight:messages")
        return not any(pipe.execute())

    def settled(self, deadline: float = DEADLINE) -> None:
        """Wait until nothing is queued, delayed or in flight."""
        eventually(self.is_empty, "an empty queue with nothing in flight", deadline)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.celery.close()
        self.redis.close()
        self.valkey.kill()
