"""Speaks one part's process: starts it, shows its lines, starts it again when it crashes, stops it.

Each part is the leader of a process group of its own. A terminal's Ctrl-C therefore reaches the supervisor
alone, SIGTERM goes to the part's main process alone (a signalled pool child would lose its job), and what a
main process leaves behind is ended by its group.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time

from celeriac.errors import StartError
from celeriac.stack.children import tied_to_parent
from celeriac.stack.guard import Guard, send
from celeriac.stack.lines import LineReader, Lines
from celeriac.stack.parts import Part

READY_WITHIN = 60.0
PROBE_EVERY = 0.05
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
STEADY = 60.0  # after running this long a part starts again at the first delay


class Keeper:
    """Keeps one part running from `start` to `stop`."""

    def __init__(self, part: Part, lines: Lines, guard: Guard) -> None:
        self.part = part
        self._lines = lines
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None
        self._output = -1
        self._reader = LineReader()
        self._ended = asyncio.Event()
        self._said_ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the part and return when it is ready; StartError when a needed part is not."""
        began = time.monotonic()
        try:
            self._spawn()
            await self._until_ready()
            self._lines.say(f"{self.part.name} is ready ({time.monotonic() - began:.1f} s)")
        except StartError as error:
            if self.part.needed or self._stopping.is_set():
                raise
            self._lines.say(f"{error} The rest goes on without it.")
        self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        """Start the part again each time it ends by itself, after a delay that grows with each failure."""
        delay, began = FIRST_DELAY, time.monotonic()
        while not self._stopping.is_set():
            await self._ended.wait()
            if time.monotonic() - began > STEADY:
                delay = FIRST_DELAY
            if self._stopping.is_set():
                return
            self._lines.say(f"{self._epitaph()}; starting it again in {delay:g} s")
            if await _happens(self._stopping, delay) or self._stopping.is_set():
                return
            delay, began = min(delay * 2, LONGEST_DELAY), time.monotonic()
            try:
                self._spawn()
                await self._until_ready()
                self._lines.say(f"{self.part.name} is back")
            except StartError as error:
                if not self._stopping.is_set():
                    self._lines.say(str(error))

    def _spawn(self) -> None:
        self._ended.clear()
        self._said_ready.clear()
        command, inherited = self.part.prepare()
        self._output, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env=dict(self.part.env),
                start_new_session=True,
                pass_fds=inherited,
                preexec_fn=tied_to_parent(self.part.last),  # noqa: PLW1509  (see children.py)
            )
        finally:
            for descriptor in (write, *inherited):
                os.close(descriptor)
        self._guard.watch(self._process.pid, self.part.last)
        os.set_blocking(self._output, False)
        asyncio.get_running_loop().add_reader(self._output, self._read)

    async def _until_ready(self) -> None:
        """Return when the part is ready; StartError when it ends or takes too long."""
        deadline = time.monotonic() + READY_WITHIN
        while not self._ended.is_set() and time.monotonic() < deadline:
            if self.part.answers is None:
                await _first(self._said_ready, self._ended, within=READY_WITHIN)
                ready = self._said_ready.is_set()
            else:
                ready = await self.part.answers()
            if ready and not self._ended.is_set():
                return
            await _happens(self._ended, PROBE_EVERY)
        if self._ended.is_set():
            raise StartError(f"{self._epitaph()} before it was ready.", "Its lines above say why.")
        self.end()
        raise StartError(f"{self.part.name} was not ready within {READY_WITHIN:g} s.", "See its lines above.")

    def _read(self) -> bool:
        """Show what the part has written; say whether there was anything."""
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._output)
        for line in self._reader.lines(data, ended=not data):
            if self.part.ready_line and self.part.ready_line in line:
                self._said_ready.set()
            self._lines.show(self.part.name, line)
        return bool(data)

    def reap(self) -> None:
        """Notice that the part has ended, and end what it has left behind."""
        if self._process is None or self._ended.is_set() or self._process.poll() is None:
            return
        send(self._process.pid, signal.SIGKILL)
        self._guard.forget(self._process.pid)
        while self._read():  # the rest; a pipe holds 64 KiB, and its writers are gone
            pass
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)
        self._ended.set()

    async def stop(self) -> None:
        """Ask the part's main process to stop, and end the group when its grace period is over."""
        self._stopping.set()
        if self._process is None:
            return
        if not self._ended.is_set():
            self._process.terminate()
            if not await _happens(self._ended, self.part.grace):
                self._lines.say(f"{self.part.name} has not stopped within {self.part.grace:g} s: ended by force")
                send(self._process.pid, signal.SIGKILL)
                await self._ended.wait()
        if self._life is not None:
            await self._life

    def stop_now(self) -> None:
        """End the part's main process now, as it is told in a hurry; what it leaves behind follows."""
        self._stopping.set()
        if self._process is not None and not self._ended.is_set() and self.part.hurry is not None:
            self._process.send_signal(self.part.hurry)

    def end(self) -> None:
        """Kill the part."""
        if self._process is not None and not self._ended.is_set():
            send(self._process.pid, signal.SIGKILL)

    def _epitaph(self) -> str:
        assert self._process is not None
        code = self._process.returncode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.part.name} {how}"


async def _happens(event: asyncio.Event, within: float) -> bool:
    """Wait for the event, at most `within` seconds; say whether it has happened."""
    return await _first(event, within=within)


async def _first(*events: asyncio.Event, within: float) -> bool:
    """Wait until one of the events happens, at most `within` seconds; say whether one has."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    done, rest = await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for wait in rest:
        wait.cancel()
    return bool(done)
