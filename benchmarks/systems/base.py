"""What a benchmark needs to know of a system: how to start its workers and its driver, and how to call it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.drivers import Driver, DriverError
from benchmarks.environments import DRIVERS, PEERS, clean_environment, logs, python
from benchmarks.processes import Crew, cpu, machine, memory
from benchmarks.servers import Server

WARM = 100
START_LIMIT = 30.0
LOOK = 0.25


@dataclass(frozen=True)
class System:
    """One system in one setting.

    `commands` are the main processes of its workers, programs of its environment; `naps` are the ones for a
    thousand waiting jobs, when it can hold them. `pace` is the jobs per second that it is
    expected to make: it only decides how many jobs a round has.
    """

    name: str
    setting: str
    delivery: str
    folder: str
    commands: Sequence[Sequence[str]]
    naps: Sequence[Sequence[str]] = ()
    env: dict[str, str] = field(default_factory=dict)
    nap_env: dict[str, str] = field(default_factory=dict)
    pace: int = 1000
    bulk: bool = False
    stop_grace: float = 10.0

    def interpreter(self) -> str:
        """The program that runs its driver; makes the environment when it is missing."""
        return python(self.folder)

    def program(self, word: str) -> str:
        """The full path of a program of its environment."""
        return str(Path(self.interpreter()).with_name(word))

    def driver_command(self) -> list[str]:
        """How its driver is started, in its folder."""
        return [self.interpreter(), "drive.py"]

    def environment(self, server: Server) -> dict[str, str]:
        """What its processes see; the address of Redis is BENCH_URL; `{folder}` is the round's own."""
        own = {name: value.format(folder=server.folder) for name, value in self.env.items()}
        paths, url = f"{DRIVERS}:{PEERS / self.folder}", server.url
        return clean_environment(BENCH_URL=url, BROKER_URL=url, RESULT_BACKEND=url, PYTHONPATH=paths, **own)

    def prepare(self, server: Server) -> None:
        """What its users do once, before they start workers."""

    @contextlib.contextmanager
    def idle(self) -> Iterator[Running]:
        """A fresh server and this system's driver, no workers."""
        with Server() as server:
            driver = self._driver(server)
            try:
                yield Running(server, Crew(logs(self.name)), driver)
            finally:
                driver.stop()

    @contextlib.contextmanager
    def running(self, *, naps: bool = False, warm: int = WARM) -> Iterator[Running]:
        """A fresh server, this system's workers on it, warmed up, and its driver; all gone at the end."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server())
            self.prepare(server)
            driver = self._driver(server)
            stack.callback(driver.stop)
            crew = Crew(logs(self.name))
            stack.callback(crew.stop, self.stop_grace)
            env = self.environment(server) | (self.nap_env if naps else {})
            for command in self.naps if naps else self.commands:
                words = [self.program(command[0]), *(word.format(url=server.url) for word in command[1:])]
                crew.start(words, cwd=PEERS / self.folder, env=env)
            running = Running(server, crew, driver)
            running.settle()
            running.warm(warm)
            yield running

    def _driver(self, server: Server) -> Driver:
        log = logs(self.name)
        log.unlink(missing_ok=True)
        env = self.environment(server)
        return Driver(self.driver_command(), cwd=PEERS / self.folder, env=env, log=log)


@dataclass(frozen=True)
class Usage:
    """CPU seconds used by the workers, by Redis, and by whatever has no part in the measurement."""

    workers: float
    redis: float
    others: float

    def __sub__(self, earlier: Usage) -> Usage:
        workers, redis = self.workers - earlier.workers, self.redis - earlier.redis
        return Usage(workers, redis, self.others - earlier.others)


@dataclass(frozen=True)
class Running:
    """A system at work."""

    server: Server
    crew: Crew
    driver: Driver

    def settle(self) -> None:
        """Wait until all workers have started, which is when they stop using CPU (polling ones use a little)."""
        deadline, quiet = time.monotonic() + START_LIMIT, 0
        while quiet < 2 and time.monotonic() < deadline:
            before = self.usage().workers
            time.sleep(LOOK)
            quiet = quiet + 1 if self.usage().workers - before < LOOK / 4 else 0
        if self.crew.dead():
            raise DriverError(f"a worker ended at its start: {self.crew.dead()}")

    def warm(self, number: int) -> None:
        """Run a few jobs: whatever is connected, imported or compiled once, is done then."""
        if number:
            self.driver.ask("submit", n=number)
            self.driver.finish(START_LIMIT)

    def usage(self) -> Usage:
        """CPU used so far."""
        workers, redis = cpu(self.crew.pids()), cpu([self.server.pid])
        return Usage(workers, redis, machine() - workers - redis - cpu([self.driver.pid, os.getpid()]))

    def memory(self) -> int:
        """Bytes of memory (PSS) of all worker processes."""
        return memory(self.crew.pids())

    def burst(self, number: int, limit: float, *, bulk: bool = False) -> tuple[float, Usage]:
        """Run a backlog that was built while the workers stood still; seconds and CPU used for it."""
        self.crew.freeze()
        try:
            self.driver.ask("submit", n=number, bulk=bulk)
            before = self.usage()
        finally:
            start = time.monotonic()
            self.crew.thaw()
        finished = self.driver.finish(limit)
        return finished - start, self.usage() - before
