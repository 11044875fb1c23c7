"""Speaks process groups: ends what the supervisor started when the supervisor itself was killed.

A killed supervisor cannot stop anything, and the kernel tells only its direct children, on Linux only. So a
tiny process of its own reads a pipe that the supervisor alone holds open: "+ group signal" when a part
starts, "- group" when it has ended. The end of the pipe without a farewell is the supervisor's death: every
group still listed gets its signal at once, and SIGKILL when it has not gone after `PATIENCE`.

It is run by path with an isolated Python, so it starts in milliseconds and imports nothing of the project.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

PATIENCE = 10.0


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self._groups: dict[int, signal.Signals] = {}
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, group: int, last: signal.Signals) -> None:
        """Have the group sent `last` when this process dies."""
        self._groups[group] = last
        self._tell(f"+ {group} {int(last)}\n")

    def forget(self, group: int) -> None:
        """The group has ended."""
        if self._groups.pop(group, None) is not None:
            self._tell(f"- {group}\n")

    def revive(self) -> None:
        """Start the guard again if it was killed."""
        if self._process.poll() is not None:
            self._start()
            for group, last in self._groups.items():
                self._tell(f"+ {group} {int(last)}\n")

    def close(self) -> None:
        """Let the guard go: it ends whatever is still listed, which is nothing after an orderly stop."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:  # somebody killed it; SIGCHLD brings revive(), which tells everything again
            return


def send(group: int, number: int) -> bool:
    """Send the signal to every process of the group; False when there is none left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


def main() -> None:
    """Read the supervisor's lines until its end, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # its work begins when the others' has ended
    groups: dict[int, int] = {}
    for line in sys.stdin:
        sign, group, *last = line.split()
        if sign == "+":
            groups[int(group)] = int(last[0])
        else:
            groups.pop(int(group), None)
    left = [group for group, last in groups.items() if send(group, last)]
    deadline = time.monotonic() + PATIENCE
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [group for group in left if send(group, 0)]
    for group in left:
        send(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
