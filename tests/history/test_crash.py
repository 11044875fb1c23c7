"""Copiers are killed, databases go away, Redis is emptied, all under load: each transition is in the history once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac.errors import HistoryError
from celeriac.store import moves
from tests.article.running import ROOT, eventually
from tests.history.conftest import House
from tests.history.postgres import Postgres

pytestmark = pytest.mark.slow

JOBS = 800
KILLS = 4


class Load:
    """Submits, runs and ends jobs on a thread, and writes down what happened to each: the oracle."""

    def __init__(self, house: House, dice: random.Random) -> None:
        self.house, self.dice = house, dice
        self.truth: dict[str, list[str]] = defaultdict(list)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for i in range(JOBS):
            id = self.house.submit("mail.send", i)
            self.truth[id].append("queued")
            if self.dice.random() < 0.7:
                self._work()
        while self._work():
            pass

    def _work(self) -> bool:
        found = self.house.fetch(n=self.dice.randrange(1, 4))
        for delivery in found:
            id = delivery.token.rpartition(":")[0]
            moves.start(self.house.client, self.house.space, delivery.token, "worker@test", 0.0, "")
            move, state = self.dice.choice([("succeed", "succeeded"), ("fail", "failed")])
            assert self.house.finish(delivery.token, move=move) == "ok"
            self.truth[id] += ["running", state]
        return bool(found)


@pytest.fixture
def copiers(broker_url: str, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start processes that copy; all are gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(database_url: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"copier-{len(started)}.log").open("wb") as log:
            command = [sys.executable, "-m", "tests.history.copying_process", broker_url, database_url]
            started.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def copied(house: House) -> int:
    """Return how many transitions the history has; 0 while it cannot say."""
    try:
        return sum(trail.count("\n") for (trail,) in house.rows("SELECT trail FROM celeriac_jobs"))
    except HistoryError:  # its tables are not there yet, or the server is down
        return 0


def check(house: House, truth: dict[str, list[str]]) -> None:
    """Everything that happened is in the history, in order and once."""
    wanted = sum(map(len, truth.values()))
    eventually(lambda: copied(house) >= wanted, f"{wanted} transitions in the history")
    assert house.transitions() == truth
    states = dict(house.rows("SELECT id, state FROM celeriac_jobs"))
    assert states == {id: happened[-1] for id, happened in truth.items()}
    counted = dict(
        house.rows("SELECT state, sum(jobs) FROM celeriac_buckets WHERE width = 60 AND scope = '' GROUP BY state")
    )
    ended = [happened[-1] for happened in truth.values()]
    assert counted == {"submitted": len(truth), "succeeded": ended.count("succeeded"), "failed": ended.count("failed")}


@pytest.mark.parametrize("seed", [1])
def test_each_transition_is_there_once_though_copiers_are_killed(
    house: House, database_url: str, copiers: Callable[[str], subprocess.Popen[bytes]], seed: int
) -> None:
    dice = random.Random(seed)
    alive = [copiers(database_url), copiers(database_url)]
    load = Load(house, dice)
    for _ in range(KILLS):
        seen = copied(house)
        eventually(lambda seen=seen: copied(house) > seen or not load.thread.is_alive(), "more copied")  # type: ignore[misc]
        victim = dice.randrange(2)
        alive[victim].send_signal(signal.SIGKILL)
        alive[victim].wait()
        alive[victim] = copiers(database_url)
    load.thread.join(60)

    check(house, load.truth)


def test_each_transition_is_there_once_though_the_database_crashes(
    make_house_at: Callable[..., House], copiers: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    server = Postgres().start()
    try:
        url = server.database()
        house = make_house_at(url)
        copiers(url)
        copiers(url)
        load = Load(house, random.Random(2))
        for _ in range(3):
            seen = copied(house)
            eventually(lambda seen=seen: copied(house) > seen or not load.thread.is_alive(), "more copied")  # type: ignore[misc]
            house.database.dispose()
            server.stop("immediate")
            waiting = int(house.client.xlen(f"{house.space.keys}journal"))
            eventually(
                lambda waiting=waiting: (
                    house.client.xlen(f"{house.space.keys}journal") > waiting  # type: ignore[misc]
                    or not load.thread.is_alive()
                ),
                "the queue going on",
            )
            server.start()
        load.thread.join(60)
        check(house, load.truth)
        house.database.dispose()
    finally:
        server.remove()


def test_what_was_accepted_a_second_before_redis_was_emptied_is_run(
    make_house: Callable[..., House], database_url: str, copiers: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    house = make_house()
    copiers(database_url)
    eventually(lambda: house.client.hget(f"{house.space.keys}history", "at"), "a copier at work")
    accepted: dict[str, float] = {}
    ended: dict[str, float] = {}
    runs: dict[str, int] = defaultdict(int)
    emptied = 0.0
    until = time.monotonic() + 90
    while time.monotonic() < until:
        now = time.monotonic()
        if len(accepted) < 600:
            accepted[house.submit("mail.send", len(accepted))] = now
        for delivery in house.fetch(n=1):  # slower than they come
            id = delivery.token.rpartition(":")[0]
            moves.start(house.client, house.space, delivery.token, "worker@test", 0.0, "")
            runs[id] += 1
            if house.finish(delivery.token) == "ok":
                ended[id] = now
        if not emptied and len(accepted) > 300 and now - min(accepted.values()) > 3:
            house.client.flushdb()
            emptied = time.monotonic()
        owed = [id for id, at in accepted.items() if not emptied or at < emptied - 1 or at > emptied]
        if emptied and len(accepted) == 600 and all(runs[id] for id in owed):
            break
    assert not [id for id in owed if not runs[id]], "accepted, and never run"
    assert len(owed) > 300
    again = [id for id, at in ended.items() if at < emptied - 1 and runs[id] > 1]
    assert not again, "finished before, and run again"
    eventually(lambda: {house.state(id) for id in owed} == {"succeeded"}, "every end in the history")
