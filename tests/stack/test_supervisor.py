"""The supervisor with parts of a few shell words: who is started, told, restarted and ended, and when."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac.stack import keeper
from celeriac.stack.lines import LineReader, Lines
from celeriac.stack.parts import Part
from celeriac.stack.supervisor import Supervisor

TRAP = "trap 'echo {0} stops; exit 0' TERM; echo {0} ready; while :; do sleep 0.05; done"


class Stage(io.StringIO):
    """Takes the lines and does what is to be done when one appears: stop, by default once all are up."""

    def __init__(self) -> None:
        super().__init__()
        self.cues: dict[str, Callable[[], object]] = {}

    def write(self, text: str) -> int:
        for cue in [cue for cue in self.cues if cue in text]:
            self.cues.pop(cue)()
        return super().write(text)


def part(name: str, script: str, start: int = 0, stop: int = 0, grace: float = 30.0, **more: object) -> Part:
    command = ["/bin/sh", "-c", script.format(name)]
    line = f"{name} ready"
    return Part(name, lambda: (command, ()), dict(os.environ), start, stop, grace, ready_line=line, **more)  # type: ignore[arg-type]


def run(stage: Stage, *parts: Part) -> tuple[int, str]:
    """Run the parts to their end; return the exit code and all that was said."""

    async def play() -> int:
        supervisor = Supervisor(parts, Lines(stage), lambda: stage.write("curtain\n") and None)
        return await asyncio.wait_for(supervisor.run(), 60)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return asyncio.run(play()), stage.getvalue()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_parts_start_and_stop_each_in_their_order() -> None:
    stage = Stage()
    stage.cues["curtain"] = interrupt
    code, said = run(stage, part("base", TRAP, 0, 2), part("web", TRAP, 1, 0), part("work", TRAP, 2, 1))
    assert code == 0
    order = [said.index(words) for words in ("base ready", "web ready", "work ready", "curtain")]
    order += [said.index(words) for words in ("web stops", "work stops", "base stops")]
    assert order == sorted(order)


def test_only_the_main_process_is_told_to_stop_and_what_it_leaves_is_ended() -> None:
    child = "sh -c 'trap \"echo child was told\" TERM; sleep 1000 & echo $!; echo {0} ready; wait; sleep 1000' & "
    stage = Stage()
    stage.cues["curtain"] = interrupt
    _, said = run(stage, part("web", TRAP.replace("echo {0} ready; ", child)))  # ready once the child is there
    assert "child was told" not in said
    pid = int(re.search(r"│ (\d+)", said).group(1))  # type: ignore[union-attr]
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "Z (zombie)" in status.read_text()


def test_one_that_ignores_its_grace_period_is_ended_by_force() -> None:
    stage = Stage()
    stage.cues["curtain"] = interrupt
    deaf = "trap '' TERM; echo {0} ready; while :; do sleep 0.05; done"
    _, said = run(stage, part("web", deaf, grace=0.2))
    assert "web has not stopped within 0.2 s: ended by force" in said


def test_a_part_that_keeps_failing_is_started_with_growing_delays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(keeper, "LONGEST_DELAY", 0.03)
    stage = Stage()
    stage.cues["0.03 s"] = lambda: stage.cues.update({"0.03 s": interrupt})
    stage.cues["curtain"] = (tmp_path / "fail").touch
    failing = f"[ -e {tmp_path}/fail ]"
    once = f"{failing} && exit 7; echo {{0}} ready; until {failing}; do sleep 0.02; done; exit 3"
    code, said = run(stage, part("work", once))
    delays = re.findall(r"work ended with exit code (\d).*again in (\S+) s", said)
    assert delays == [("3", "0.01"), ("7", "0.02"), ("7", "0.03"), ("7", "0.03")]
    assert code == 0


def test_one_that_is_not_needed_may_fail_and_one_that_is_may_not() -> None:
    stage = Stage()
    stage.cues["curtain"] = interrupt
    code, said = run(stage, part("web", TRAP, 0), part("flower", "exit 3", 1, needed=False))
    assert code == 0
    assert "flower ended with exit code 3 before it was ready. Its lines above say why. The rest goes on" in said
    code, said = run(Stage(), part("web", TRAP, 0), part("work", "exit 3", 1))
    assert code == 69
    assert "web stops" in said
    assert "curtain" not in said


def test_a_killed_guard_is_replaced() -> None:
    stage = Stage()
    pids: list[int] = []

    def kill_guard() -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        guards = [int(pid) for pid in children if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        pids.extend(guards)
        if len(pids) == 1:
            os.kill(pids[0], signal.SIGKILL)
            asyncio.get_running_loop().call_later(0.05, kill_guard)
        elif pids[-1] == pids[0] or len(pids) == 1:
            pids.pop()
            asyncio.get_running_loop().call_later(0.05, kill_guard)
        else:
            interrupt()

    stage.cues["curtain"] = kill_guard
    code, _ = run(stage, part("web", TRAP))
    assert code == 0
    assert len(set(pids)) == 2


def test_lines_are_cut_as_they_come_and_a_long_one_does_not_stop_them() -> None:
    reader = LineReader()
    assert reader.lines(b"one\ntw") == ["one"]
    assert reader.lines(b"o\r\n\xff") == ["two"]
    assert reader.lines(b"", ended=True) == ["\ufffd"]
    assert len(reader.lines(b"x" * 100_000)[0]) == 100_000


def test_a_terminal_that_has_gone_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", closefd=False) as out:
        lines = Lines(out)
        lines.say("nobody hears this")
        lines.say("nor this")
    os.close(write)
