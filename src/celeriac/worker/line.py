"""The pipes between a pool and one of its processes: what it was given, in the order in which it runs it.

A job goes out as a frame: its size, its turn (a byte), its number, the pickled call. With it goes a permit, the turn
again, in a pipe of its own. The process takes the permit and then runs the job, and whoever takes a permit back has the
job back: the kernel gives a byte to one reader alone. Then a new turn begins, and frames without a permit are void.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from select import POLLIN, poll
from struct import Struct
from typing import Any

GIVEN = Struct(">IBQ")  # size, turn and the job's number; without a size it is the end
SAID = Struct("!i")  # billiard's own frames
CHUNK = 1 << 16  # bytes


class Frames:
    """Cuts what comes through a pipe into frames."""

    def __init__(self, head: Struct) -> None:
        self._head, self._bytes = head, bytearray()

    def cut(self, chunk: bytes) -> list[tuple[tuple[int, ...], bytes]]:
        """Return head and body of each frame that is whole now."""
        self._bytes += chunk
        cut, at, whole = [], 0, self._head.size
        while len(self._bytes) - at >= whole:
            head: tuple[int, ...] = self._head.unpack_from(self._bytes, at)
            end = at + whole + head[0]
            if len(self._bytes) < end:
                break
            cut.append((head, bytes(self._bytes[at + whole : end])))
            at = end
        del self._bytes[:at]
        return cut


class Line:
    """The pool's side of it. `hear` is called with each message of the process."""

    def __init__(self, proc: Any, hear: Callable[[Any], None], room: int | None) -> None:
        self.proc, self.hear = proc, hear
        self.room = room  # how many jobs it may still be given, before it is replaced
        self.jobs: deque[Any] = deque()
        self.load = 0.0  # seconds that they will probably take
        self.since = 0.0  # monotonic, when the first of them came to the front
        self.stuck = False  # the first takes longer than it should
        self.blocked = False  # its pipe is full
        self._turn = self._permits = 0
        self._unsent = bytearray()
        self._frames = Frames(SAID)
        self._reading = threading.RLock()  # a pool that stops reads from two threads

    def give(self, job: Any) -> None:
        """Add a job; `send` sends it."""
        self.jobs.append(job)
        self.load += job.seconds
        if self.room is not None:
            self.room -= 1
        self._permits += 1
        self._unsent += GIVEN.pack(len(job.call), self._turn, job._job) + job.call

    def end(self) -> None:
        """Let the process end after what it was given; `send` sends it."""
        self._unsent += GIVEN.pack(0, 0, 0)

    def send(self) -> bool:
        """Send what the pipe takes; return whether nothing is left. A process that is gone takes nothing."""
        with suppress(BlockingIOError, BrokenPipeError):
            self._send_permits()
            while self._unsent:
                del self._unsent[: os.write(self.proc.inqW_fd, self._unsent)]
        return not self._unsent

    def take_back(self, first: bool = False) -> list[Any]:
        """Return the jobs that the process has not begun, in order, and never will; the first only if asked for."""
        taken = 0
        with suppress(OSError):  # nothing to take, or a process that is gone
            self._send_permits()
            taken = len(os.read(self.proc.synqR_fd, max(1, len(self.jobs))))
        self._turn = (self._turn + 1) % 256
        if self.room is not None:
            self.room += taken
        back = [self.jobs.pop() for _ in range(taken)][::-1]
        self.load = sum(job.seconds for job in self.jobs)
        if back and not self.jobs and not first:
            self.give(back.pop(0))  # a permit cannot be put back: it is sent once more
        return back

    def _send_permits(self) -> None:
        if self._permits:
            os.write(self.proc.synqW_fd, bytes((self._turn,)) * self._permits)
            self._permits = 0

    def read(self) -> bool:
        """Hear what the process has said; return False when it will say no more."""
        with self._reading:
            while True:
                try:
                    chunk = os.read(self.proc.outqR_fd, CHUNK)
                except BlockingIOError:
                    return True
                except OSError:
                    return False
                for _, said in self._frames.cut(chunk):
                    self.hear(pickle.loads(said))  # of our own process
                if len(chunk) < CHUNK:
                    return bool(chunk)

    def wait(self, seconds: float) -> bool:
        """Return whether the process says something within this time (s)."""
        readable = poll()
        readable.register(self.proc.outqR_fd, POLLIN)
        return bool(readable.poll(seconds * 1000))
