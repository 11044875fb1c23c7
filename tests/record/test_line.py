"""A job that was given to a process runs there, or is taken back: one of both, whatever happens in which order."""

from __future__ import annotations

import os
import pickle
import random
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from celeriac.worker.child import Child
from celeriac.worker.line import Line


class Pipes:
    """Both ends of a line in this process: `line` gives, a thread takes and runs as a pool's process does."""

    def __init__(self) -> None:
        given, permits = os.pipe(), os.pipe()
        for fd in (given[1], *permits):
            os.set_blocking(fd, False)
        self.fds = (*given, *permits)
        proc = SimpleNamespace(inqW_fd=given[1], synqR_fd=permits[0], synqW_fd=permits[1], outqR_fd=-1)
        self.line = Line(proc, lambda said: None, None)
        child: Any = Child.__new__(Child)
        child.inq, child.synq = self.end(given[0]), self.end(permits[0])
        child._shutdown = None
        self.ran: list[int] = []
        self.pace = 0.0
        self.heard = 0
        self.thread = threading.Thread(target=self.run, args=(child,))

    def end(self, fd: int) -> Any:
        return SimpleNamespace(_reader=SimpleNamespace(fileno=lambda: fd))

    def run(self, child: Any) -> None:
        for number, *_ in child._permitted():
            self.ran.append(number)
            time.sleep(self.pace)

    def give(self, number: int, size: int = 0) -> None:
        call = pickle.dumps((len, (b"x" * size,), {}))
        self.line.give(SimpleNamespace(_job=number, call=call, seconds=0.001))

    def hear(self) -> None:
        """Forget what has ended."""
        while self.line.jobs and self.heard < len(self.ran):
            assert self.line.jobs.popleft()._job == self.ran[self.heard]
            self.heard += 1

    def send_all(self) -> None:
        while not self.line.send() and self.thread.is_alive():
            time.sleep(0.001)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    if made.thread.ident is None:
        made.thread.start()
    made.line.end()
    made.send_all()
    made.thread.join(20)
    assert not made.thread.is_alive()
    for fd in made.fds:
        os.close(fd)


def numbers(jobs: list[Any]) -> list[int]:
    return [job._job for job in jobs]


def test_what_is_taken_back_is_all_but_the_first_in_its_order_and_what_comes_later_runs(pipes: Pipes) -> None:
    for number in range(5):
        pipes.give(number)
    pipes.send_all()
    assert numbers(pipes.line.take_back()) == [1, 2, 3, 4]
    assert pipes.line.take_back() == []
    pipes.give(5)
    pipes.send_all()
    pipes.line.end()
    pipes.send_all()
    pipes.thread.start()
    pipes.thread.join(20)
    assert pipes.ran == [0, 5]


def test_a_process_that_is_gone_leaves_what_it_has_no_permit_for(pipes: Pipes) -> None:
    for number in range(3):
        pipes.give(number)
    pipes.send_all()
    os.read(pipes.line.proc.synqR_fd, 1)  # it took one
    assert numbers(pipes.line.take_back(first=True)) == [1, 2]
    assert numbers(list(pipes.line.jobs)) == [0]


def test_what_was_given_and_never_sent_is_taken_back_as_well(pipes: Pipes) -> None:
    for number in range(3):
        pipes.give(number, 100_000)  # more than the pipe takes
    assert not pipes.line.send()
    assert numbers(pipes.line.take_back(first=True)) == [0, 1, 2]


def test_in_any_order_of_events_each_job_runs_once_or_is_taken_back_once(pipes: Pipes) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    pipes.thread.start()
    back: list[int] = []
    for number in range(3000):
        pipes.pace = dice.choice((0.0, 0.0, 0.0002))
        pipes.give(number, dice.choice((0, 0, 20_000)))
        if dice.random() < 0.4:
            pipes.line.send()
        if dice.random() < 0.1:
            back += numbers(pipes.line.take_back(first=dice.random() < 0.5))
        pipes.hear()
        while len(pipes.line.jobs) > 20:
            pipes.line.send()
            pipes.hear()
    pipes.line.end()
    pipes.send_all()
    pipes.thread.join(60)
    assert sorted(pipes.ran + back) == list(range(3000))
    assert pipes.ran == sorted(pipes.ran)
    assert back
