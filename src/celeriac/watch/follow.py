"""Watches one job from a program of one's own: no server between it and Redis, whose absence is waited out."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeAlias

from celeriac.errors import BrokerUnavailable
from celeriac.store import wake
from celeriac.store.moves import Space
from celeriac.store.since import since
from celeriac.watch.event import Event, Kind, events, first, gone, reset

Told: TypeAlias = Generator[Event, None, None]

PAUSE = 0.5  # seconds before Redis is asked again


def follow(client: Any, space: Space, id: str, away: Callable[[BrokerUnavailable], None]) -> Told:
    """Yield what happens to the job, each thing once and in order, until it has ended; `away` hears of outages."""
    last: int | None = None
    while True:
        try:
            with closing(wake.news(client, space, id)) as news:
                for _ in news:
                    for event in _new(client, space, id, last):
                        last = event.number
                        yield event
                        if event.kind is Kind.END:
                            return
        except BrokerUnavailable as error:
            away(error)
            time.sleep(PAUSE)


def _new(client: Any, space: Space, id: str, last: int | None) -> list[Event]:
    news = since(client, space, {id: last or 0})[id]
    if news is None:
        return [gone(id, (last or 0) + 1)]
    start = first(news) if last is None else last
    if start <= news.seq and news.whole(start):
        return events(news, start)
    news = since(client, space, {id: 0})[id]
    return reset(news) if news else [gone(id, start + 1)]
