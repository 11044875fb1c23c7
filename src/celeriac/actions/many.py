"""What one may ask of many jobs at once: cancel or retry those that fit, piece by piece, and count what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from celeriac.actions import past
from celeriac.actions.context import Context
from celeriac.actions.jobs import cancel, retry
from celeriac.errors import BrokerError, Conflict, ExpiredJob, InvalidArguments, TooManyJobs, UnknownJob
from celeriac.job import LIVE, TERMINAL, State
from celeriac.store.record import Record

if TYPE_CHECKING:
    from celeriac.history.house import History

PIECE = 100  # jobs of one page
TOLD = 10  # failures that are told one by one
SECONDS = 10.0  # after which no further piece is begun


class Verb(StrEnum):
    """What can be done to many jobs."""

    CANCEL = "cancel"
    RETRY = "retry"


#: verb -> (states in which it can be done to a job, those of them that are meant when nobody names any)
FITTING: dict[Verb, tuple[frozenset[State], frozenset[State]]] = {
    Verb.CANCEL: (LIVE - {State.CANCELLING}, LIVE - {State.CANCELLING}),
    Verb.RETRY: (TERMINAL, frozenset({State.FAILED, State.LOST})),
}


class Page(Protocol):
    """Some of the jobs that fit, and where the next ones begin, '' after the last."""

    @property
    def items(self) -> list[Record]: ...

    @property
    def next_token(self) -> str: ...


@dataclass(slots=True)
class Outcome:
    """What came of it. `skipped` jobs had changed, or were forgotten, in the meantime; `problems` tells of the first
    that failed, (id, sentence); `next_token` is where to go on, '' when it was done to all."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    next_token: str = ""


def fitting(verb: Verb, states: Iterable[State]) -> tuple[State, ...]:
    """Return those of the states in which this can be done; where none are named, those in which it is usual."""
    possible, usual = FITTING[verb]
    named = frozenset(states)
    return tuple(sorted(named & possible if named else usual))


def do_to_many(
    context: Context, history: History, verb: Verb, pages: Callable[[int, str], Page], most: int, token: str = ""
) -> Outcome:
    """Do it to at most so many jobs of the history's pages; what happens to one does not keep it from the others.

    Raises BrokerUnavailable, QueueFull, TooManyJobs when nothing was done; later on, they end it.
    """
    found, seen, until = Outcome(), 0, time.monotonic() + SECONDS
    while True:
        try:
            page = pages(min(PIECE, most - seen), token)
            for job in page.items:
                _do(context, history, verb, job.id, found)
        except (BrokerError, TooManyJobs) as error:
            if not found.done:
                raise
            found.problems.append(("", str(error)))
            break
        seen += len(page.items)
        token = page.next_token
        if not token or seen >= most or time.monotonic() > until:
            break
    found.next_token = token
    return found


def _do(context: Context, history: History, verb: Verb, id: str, found: Outcome) -> None:
    try:
        if verb is Verb.CANCEL:
            cancel(context, id)
        else:
            _retry(context, history, id)
    except (UnknownJob, ExpiredJob):
        found.skipped += 1
    except (Conflict, InvalidArguments) as error:
        if verb is Verb.CANCEL:  # it has ended meanwhile
            found.skipped += 1
            return
        found.failed += 1
        if len(found.problems) < TOLD:
            found.problems.append((id, str(error)))
    else:
        found.done += 1


def _retry(context: Context, history: History, id: str) -> None:
    try:
        retry(context, id)
    except (UnknownJob, ExpiredJob):
        job = past.remembered(context, history, id)
        if job is None:
            raise
        past.retry(context, history, job)
