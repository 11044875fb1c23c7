"""What is told of each watched job: read once, by number, for all who watch it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celeriac.job import TERMINAL
from celeriac.store.moves import Space
from celeriac.store.since import News, since
from celeriac.watch.event import Event, events, first, gone, reset
from celeriac.watch.position import UNREADABLE
from celeriac.watch.stream import Stream


@dataclass(slots=True)
class Feed:
    """One job: `seq` is how far it was read for its `streams`, None while nothing was, or when it is gone."""

    streams: set[Stream] = field(default_factory=set)
    seq: int | None = None


@dataclass(slots=True)
class Start:
    """What a stream begins with: its events, the numbers before and after them, the jobs that have ended."""

    events: list[Event] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to watch: jobs, each from the number at which it was `left`, and `everyone`'s transitions,
    from a number of the `journal`.

    None: from the start of the job's present run; from now on. UNREADABLE: as it stands. `hidden` are those of the
    jobs that do not exist for them.
    """

    left: Mapping[str, int | None]
    hidden: Collection[str] = ()
    everyone: bool = False
    journal: int | None = None


def start(client: Any, space: Space, left: Mapping[str, int | None], hidden: Collection[str]) -> Start:
    """Return what happened to jobs since they were left; of one that is hidden or gone, once, that it is."""
    asked = {id: max(0, number or 0) for id, number in left.items() if id not in hidden}
    found = since(client, space, asked) if asked else {}
    again = [id for id, news in found.items() if news and _needs_reset(news, left[id])]
    whole = since(client, space, dict.fromkeys(again, 0)) if again else {}
    made = Start()
    for id, number in left.items():
        news = whole.get(id) or found.get(id)
        if news is None:
            made.before[id] = max(0, number or 0)
            if made.before[id]:
                made.ended.add(id)
            else:
                made.events.append(gone(id, 1))
            continue
        made.after[id] = news.seq
        if id in whole:
            made.before[id] = UNREADABLE
            made.events += reset(news)
            continue
        made.before[id] = first(news) if number is None else number
        told = events(news, made.before[id])
        made.events += told
        if not told and news.state in TERMINAL:
            made.ended.add(id)
    return made


def read(client: Any, space: Space, after: Mapping[str, int]) -> dict[str, tuple[int | None, list[Event] | None]]:
    """Return for each job how far was read, None when it is gone, and what is new; None for the events when its
    numbers went back, so that nobody knows what was told."""
    found = since(client, space, after)
    gaps = [id for id, news in found.items() if news and not news.whole(after[id])]
    whole = since(client, space, dict.fromkeys(gaps, 0)) if gaps else {}
    told: dict[str, tuple[int | None, list[Event] | None]] = {}
    for id, number in after.items():
        news = whole.get(id) or found[id]
        if news is None:
            told[id] = (None, [gone(id, number + 1)])
        elif news.seq < number:
            told[id] = (news.seq, None)
        else:
            told[id] = (news.seq, reset(news) if id in whole else events(news, number))
    return told


def tell(streams: Iterable[Stream], told: list[Event] | None) -> None:
    """Give every stream the events; end them all when there is no telling."""
    for stream in streams:
        if told is None:
            stream.stop()
        else:
            stream.tell(told)


def _needs_reset(news: News, number: int | None) -> bool:
    if number is None:
        return not news.whole(first(news))
    return number == UNREADABLE or number > news.seq or not news.whole(number)
