"""Speaks Redis: what happened to jobs after a number of theirs, for whoever watches them.

Transitions are in the record's trail, lines in the job's log, steps (reports of progress) for a minute in a list of
their own: all of it under one number per job, its `seq`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celeriac.job import LETTERS, TERMINAL, State
from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.record import Line, read_line
from celeriac.store.replies import Client, load_object, moment
from celeriac.store.scripts import script

CHUNK = 100  # jobs per round trip
STATES = {letter: state for state, letter in LETTERS.items()}
_TRANSITION = re.compile(r"(\d+)([A-Za-z?])(\d+)(?: (.*))?")


@dataclass(frozen=True, slots=True)
class Transition:
    """A job came into a state; `note` says why, '' when there is nothing to say."""

    seq: int
    state: State
    at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class Step:
    """A job said how far it is: `current`, `total`, `status`, as it reported them."""

    seq: int
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """A job at one moment, and what happened to it after the number that was asked for, in order.

    `trail` holds every transition that is kept, `step` the last report of progress; `cut` is the number of the
    last line that is gone, `dropped` counts lines that were too many.
    """

    id: str
    seq: int
    state: State
    trail: Sequence[Transition] = ()
    lines: Sequence[Line] = ()
    steps: Sequence[Step] = ()
    step: Step | None = None
    cut: int = 0
    dropped: int = 0

    def whole(self, after: int) -> bool:
        """Whether everything after that number is kept, but for steps older than a minute."""
        return self.seq <= after or (bool(self.trail) and self.trail[0].seq <= after + 1 and self.cut <= after)

    @property
    def ended(self) -> int:
        """The number of the transition that ended it; 0 while it goes on."""
        return self.trail[-1].seq if self.trail and self.trail[-1].state in TERMINAL else 0


def since(client: Client, space: Space, after: Mapping[str, int]) -> dict[str, News | None]:
    """Return the news of each job after its number; None for a job that there is no record of."""
    found: dict[str, News | None] = {}
    wanted = list(after.items())
    for at in range(0, len(wanted), CHUNK):
        some = wanted[at : at + CHUNK]
        with reachable():
            replies = script("since")(client, *space.head(), *(word for pair in some for word in pair))
        for (id, number), reply in zip(some, replies, strict=True):
            found[id] = _news(id, number, reply) if reply else None
    return found


def names(client: Client, space: Space, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the task (Celery's name) and the owner of each job, '' where nothing is known."""
    wanted = list(ids)
    pipe = client.pipeline(transaction=False)
    for id in wanted:
        pipe.hmget(f"{space.keys}job:{id}", "task", "owner")
    with reachable():
        rows = pipe.execute() if wanted else []
    return {id: (_text(task), _text(owner)) for id, (task, owner) in zip(wanted, rows, strict=True)}


def _news(id: str, after: int, reply: Sequence[Any]) -> News:
    seq, state, trail, progress, cut, dropped, lines, steps = reply
    kept = _trail(trail.decode(errors="ignore"))
    last = _step(progress) if progress else None
    told = [step for raw in steps if (step := _step(raw))]
    if last and last.seq > after and last.seq not in {step.seq for step in told}:
        told.append(last)
    said = [read_line(raw) for raw in lines]
    return News(id, seq, State(state.decode()), kept, said, told, last, cut, dropped)


def _trail(text: str) -> list[Transition]:
    found = []
    for line in text.split("\n"):
        match = _TRANSITION.fullmatch(line)
        if match and (state := STATES.get(match[2])):
            found.append(Transition(int(match[1]), state, moment(match[3]), match[4] or ""))
    return found


def _step(raw: bytes) -> Step | None:
    number, _, text = raw.partition(b" ")
    progress = load_object(text)
    return None if progress is None else Step(int(number), progress)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
