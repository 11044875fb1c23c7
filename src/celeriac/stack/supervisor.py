"""Speaks signals: runs the parts of the stack together, from one terminal, until it is told to stop.

1. Parts start by their number, those of one number together, each when the ones before are ready.
2. A part that crashes is started again and said so (`keeper`); one that cannot even start ends the whole.
3. The first SIGINT, SIGTERM or SIGHUP stops the parts in their own order, each with its grace period.
4. The second one ends everything now: running jobs go back to their queues, then Valkey writes out what it holds. The
   third one kills what is left.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable
from itertools import groupby

from celeriac.errors import StartError
from celeriac.stack.guard import Guard
from celeriac.stack.keeper import Keeper
from celeriac.stack.lines import Lines
from celeriac.stack.parts import Part


class Supervisor:
    """Runs these parts; `greet` is called once they are all up."""

    def __init__(self, parts: Iterable[Part], lines: Lines, greet: Callable[[], None]) -> None:
        self._lines = lines
        self._greet = greet
        self._guard = Guard()
        self._keepers = [Keeper(part, lines, self._guard) for part in parts]
        self._asked = 0
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Run until a signal asks to stop; return the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._children_changed)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stop.wait())
        code = 0
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._greet()
                await stopping
        except StartError as error:
            self._lines.say(str(error))
            code = error.exit_code
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await self._stop_all()
            self._guard.close()
        return code

    async def _start(self) -> None:
        by_number = sorted(self._keepers, key=lambda keeper: keeper.part.start)
        for _, group in groupby(by_number, key=lambda keeper: keeper.part.start):
            await asyncio.gather(*(keeper.start() for keeper in group))

    async def _stop_all(self) -> None:
        by_number = sorted(self._keepers, key=lambda keeper: keeper.part.stop)
        for _, group in groupby(by_number, key=lambda keeper: keeper.part.stop):
            await asyncio.gather(*(keeper.stop() for keeper in group))

    def _children_changed(self) -> None:
        for keeper in self._keepers:
            keeper.reap()
        if not self._stop.is_set():
            self._guard.revive()

    def _ask_to_stop(self) -> None:
        self._asked += 1
        if self._asked == 1:
            self._lines.say("stopping: running jobs may finish or go back to the queue; Ctrl-C again stops now")
            self._stop.set()
        elif self._asked == 2:
            self._lines.say("stopping now")
            for keeper in self._keepers:
                keeper.stop_now()
        else:
            for keeper in self._keepers:
                keeper.end()
