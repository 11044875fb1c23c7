"""The transitions of all jobs, read from the journal for those who watch everybody's, or all of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from celeriac.store import journal, since
from celeriac.store.journal import Entry, Look
from celeriac.store.moves import Space
from celeriac.store.replies import moment
from celeriac.watch.event import Event, Kind, transition
from celeriac.watch.position import UNREADABLE
from celeriac.watch.stream import Stream

PACE = 0.1  # seconds between two looks
PAGE, PAGES = 500, 4  # entries of one look, looks at a time; who is further behind is reset
KNOWN = 10_000  # jobs of which task and owner are remembered


class Everyone:
    """Reads once for all of its `streams`; `name` tells the public name of a task."""

    def __init__(self, client: Any, space: Space, name: Callable[[str], str]) -> None:
        self._client, self._space, self._name = client, space, name
        self.streams: set[Stream] = set()
        self.number: int | None = None
        self._known: dict[str, tuple[str, str]] = {}

    def after(self, number: int | None) -> tuple[int, list[tuple[Event, str]]]:
        """Return the number of the last entry read, and what comes after `number`; a reset where that is not kept."""
        if number is None:
            return self._look(0, 1).last, []
        entries: list[Entry] = []
        for _ in range(PAGES):
            found = self._look(max(0, number), PAGE)
            if number == UNREADABLE or not found.anchored or (number > found.last and found.last):
                break
            entries += found.entries
            number = found.reached or number
            if not found.whole:
                return number, self._events(entries)
        return found.last, [(Event.of("", found.last, Kind.RESET, everyone=True, state=None), "")]

    def tell(self, number: int, found: Sequence[tuple[Event, str]], streams: Sequence[Stream]) -> None:
        """Give each stream what it may see, and is not told otherwise."""
        for stream in streams:
            stream.tell(mine(stream, found), number)

    def _look(self, number: int, count: int) -> Look:
        return journal.look(self._client, self._space, number, count)

    def _events(self, entries: Sequence[Entry]) -> list[tuple[Event, str]]:
        known = self._known if len(self._known) < KNOWN else {}
        unknown = {entry.job for entry in entries} - known.keys()
        self._known = known = {**known, **since.names(self._client, self._space, unknown)} if unknown else known
        return [self._event(entry, *known[entry.job]) for entry in entries]

    def _event(self, entry: Entry, task: str, owner: str) -> tuple[Event, str]:
        at, name = moment(entry.at), self._name(task) if task else None
        return transition(entry.job, entry.number, entry.state, at, entry.note, everyone=True, task=name), owner


def mine(stream: Stream, found: Sequence[tuple[Event, str]]) -> list[Event]:
    """Return what the stream's caller may see, but for jobs that it watches one by one."""
    return [
        event
        for event, owner in found
        if not event.job or (event.job not in stream.followed and stream.sees(event.job, owner))
    ]
