"""Speaks the terminal: one stream of lines, each with the name of the part that said it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

COLOURS = (36, 32, 33, 35, 34)  # cyan, green, yellow, magenta, blue
WIDTH = 8
LONGEST = 65536  # bytes; a longer line is shown in pieces


class Lines:
    """Shows the lines of many parts on one terminal; a terminal that has gone away is not an error."""

    def __init__(self, out: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self._out: TextIO | None = out
        self._coloured = out.isatty() and not environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def say(self, sentence: str) -> None:
        """Show a sentence of the supervisor's own."""
        self.show("up", f"\x1b[1m{sentence}\x1b[0m" if self._coloured else sentence)

    def show(self, name: str, line: str) -> None:
        """Show one line that the part `name` wrote."""
        prefix = f"{name:<{WIDTH}} │"
        if self._coloured:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        if self._out is None:
            return
        try:
            self._out.write(f"{prefix} {line}\n")
            self._out.flush()
        except OSError:  # `up | head`: the reader has left, the jobs go on
            self._lose()

    def _lose(self) -> None:
        """Write nothing more, not even what is still in the buffer when the process ends."""
        assert self._out is not None
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._out.fileno())
        os.close(nowhere)
        self._out = None


class LineReader:
    """Cuts what a part writes into lines; keeps the unfinished end."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, data: bytes, ended: bool = False) -> list[str]:
        """Return the lines that `data` completes, and the unfinished one too when the part has ended."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (ended or len(self._rest) > LONGEST):
            whole.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in whole]
