"""Speaks SQL and the journal: a page of jobs as they are at this moment, though SQL is up to a second behind Redis.

1. The end of the journal that is not copied yet names the jobs that SQL does not know, or knows otherwise.
2. Their records and those of the page are read from Redis: while a job lives there, that is how it is.
3. The next page begins where this one ends, whatever was copied meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from celeriac.history.copying import known_jobs
from celeriac.history.database import Database
from celeriac.history.filters import Filter, page_token, read_token
from celeriac.history.pages import MOST, Page, find_rows, record_of
from celeriac.history.schema import SHIFT
from celeriac.store import journal, record
from celeriac.store.journal import DELETED
from celeriac.store.moves import Space
from celeriac.store.record import Record

TAIL = 200  # entries of the journal that a page looks at

Item = tuple[int, bool, Record]  # its key, and whether that is the one that it has in SQL


def list_now(database: Database, client: Any, space: Space, filter: Filter, size: int, token: str) -> Page:
    """Return a page. Raises BadRequest, BrokerUnavailable, HistoryUnavailable."""
    filter.check()
    size = max(1, min(size, MOST))
    before = read_token(filter, token)
    news = journal.tail(client, space, TAIL)
    moved = _records(client, space, [id for id, state in news.items() if state != DELETED])
    with database.read() as connection:
        known = known_jobs(connection, moved)
        rows, place = find_rows(connection, filter, before, size)
    live = moved | _records(client, space, [row.id for row in rows if row.id not in news])
    items = [(row.n, True, live.get(row.id) or record_of(row)) for row in rows if news.get(row.id) != DELETED]
    items = [item for item in items if not filter.states or item[2].state in filter.states]
    low, beyond = filter.keys()
    low, beyond = max(low, place or 0), beyond if before is None else min(before, beyond)
    shown = {row.id for row in rows}
    fitting = [job for job in moved.values() if job.id not in shown and filter.fits(job)]
    items += [item for item in _with_keys(fitting, {id: row.n for id, row in known.items()}) if low <= item[0] < beyond]
    items.sort(key=lambda item: item[0], reverse=True)
    if len(items) > size:
        items, place = _cut(items, size)
    return Page([job for _, _, job in items], page_token(filter, place) if place else "")


def _records(client: Any, space: Space, ids: Sequence[str]) -> dict[str, Record]:
    found = record.read_many(client, space, ids)
    return {id: job for id, job in zip(ids, found, strict=True) if job is not None}


def _with_keys(jobs: Sequence[Record], keys: dict[str, int]) -> Iterator[Item]:
    """Give those that SQL does not know yet the last keys of their millisecond: theirs will be after all there are."""
    for i, job in enumerate(jobs):
        if job.id in keys:
            yield keys[job.id], True, job
        elif job.created_at is not None:
            yield ((round(job.created_at.timestamp() * 1000) + 1) << SHIFT) - 1 - i, False, job


def _cut(items: list[Item], size: int) -> tuple[list[Item], int]:
    """Return the items of a page, and where the next one begins: between two milliseconds where no key is known."""
    end = size
    while end > 1 and not items[end - 1][1] and items[end][0] >> SHIFT == items[end - 1][0] >> SHIFT:
        end -= 1
    key, has_key, _ = items[end - 1]
    return items[:end], key if has_key else key >> SHIFT << SHIFT
