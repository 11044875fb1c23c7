"""Speaks SQL's rows: what a record of Redis and the journal's entries become in the tables. Pure.

A record is at least as new as the journal's entries read before it, so a row takes its state from the record, and
from the last entry only where that tells all that changed, or where the record is gone.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from celeriac.job import TERMINAL, State
from celeriac.queue.message import arguments
from celeriac.store.journal import SHIFT, STEADY, Detail, Entry

RESULT_LIMIT = 65536  # bytes of a result that the history keeps
ARGUMENTS_LIMIT = 1 << 22
STATES = frozenset(State)
STEADILY, CREATED = len(STEADY), STEADY.index("created_at")
#: How the worker begins Celery's result where that is a whole number, a word of JSON, or plain text.
PLAIN_RESULT = re.compile(r'{"status":"SUCCESS","result":(-?[1-9][0-9]*|0|null|true|false|"[ !#-\[\]-~]*"),')
_short = json.JSONEncoder(separators=(",", ":")).encode
Times = tuple[int | None, int | None]  # run and wait, ms
_read = json.JSONDecoder().raw_decode  # half the cost of `json.loads`


class Row(NamedTuple):
    """A job, column by column as in `schema`."""

    n: int
    id: str
    state: str
    task: str
    queue: str
    owner: str
    worker: str
    reason: str
    due: int | None
    started_at: int | None
    finished_at: int | None
    attempt: int
    retries: int
    losses: int
    seq: int
    args: str | None
    options: str | None
    error: str | None
    result: str | None
    attempts: str | None
    parent_id: str
    root_id: str
    group_id: str
    trail: str


class Moved(NamedTuple):
    """The columns that change while a job runs and succeeds."""

    n: int
    state: str
    worker: str
    reason: str
    started_at: int | None
    finished_at: int | None
    attempt: int
    seq: int
    result: str | None
    trail: str


class Told(NamedTuple):
    """What an entry tells of a start or a plain success; as it is, what it tells of a submission."""

    worker: str = ""
    started_at: int | None = None
    finished_at: int | None = None
    attempt: int = 0
    result: str | None = None


def cleaned(details: Mapping[str, Detail]) -> dict[str, Detail]:
    """Return records as PostgreSQL's text can hold them."""
    return {id: _clean(detail) for id, detail in details.items()}


def is_known(detail: Detail) -> bool:
    """Does Redis still know the job?"""
    return detail.values[0] in STATES


def is_steady(detail: Detail) -> bool:
    """Are these only the values that a start and a success leave as they are?"""
    return len(detail.values) == STEADILY


def row_of(n: int, id: str, detail: Detail, trail: str = "") -> Row:
    """Return a job's columns from its whole record."""
    state, task, queue, owner, _, due, retries, args, options, parent, root, group = detail.values[:STEADILY]
    worker, reason, started, finished, attempt, losses, seq, error, attempts = detail.values[STEADILY:]
    succeeded = state == State.SUCCEEDED
    return Row(
        n, id, state or "", task or "", queue or "", owner or "", worker or "", reason or "",
        _integer(due), _integer(started), _integer(finished), _integer(attempt) or 0, _integer(retries) or 0,
        _integer(losses) or 0, _integer(seq) or 0, args or _arguments(detail) or None, options or None,
        None if succeeded else error or None, result_of(detail.meta) if succeeded else None, attempts or None,
        parent or "", root or "", group or "", trail,
    )  # fmt: skip


def row_told(n: int, id: str, detail: Detail, last: Entry, told: Told, trail: str) -> Row:
    """Return a job's columns from what its submission said and an entry that tells the rest."""
    _, task, queue, owner, _, due, retries, args, options, parent, root, group = detail.values
    worker, started, finished, attempt, result = told
    values = (
        n, id, last.state, task or "", queue or "", owner or "", worker, "",
        _integer(due), started, finished, attempt, _integer(retries) or 0, 0, last.seq,
        args or _arguments(detail) or None, options or None, None, result, None,
        parent or "", root or "", group or "", trail,
    )  # fmt: skip
    return tuple.__new__(Row, values)  # at half the cost of its own


def told_of(entry: Entry) -> Told:
    """Read what an entry tells."""
    worker, started, attempt, meta = entry.tells()
    finished = entry.at if entry.state in TERMINAL else None
    values = _without_nul(worker), _integer(started), finished, _integer(attempt) or 0, result_of(meta)
    return tuple.__new__(Told, values)


def row_moved(n: int, entry: Entry, told: Told, trail: str) -> Moved:
    """Return what changed, from an entry that tells it."""
    worker, started, finished, attempt, result = told
    note = _without_nul(entry.note)
    values = n, entry.state, worker, note, started, finished, attempt, entry.seq, result, trail
    return tuple.__new__(Moved, values)


def row_without_record(n: int, id: str, last: Entry, trail: str) -> Row:
    """Return the columns of a job of which the journal's entries are all that is left."""
    finished = {"finished_at": str(last.at)} if last.state in TERMINAL else {}
    return row_of(n, id, Detail.of({"state": last.state, "seq": str(last.seq), **finished}), trail)


def trail_of(birth: int, entries: Iterable[Entry]) -> str:
    """Return transitions as a row keeps them: "<birth> <entry> <seq> <state> <ms later> <attempt> <note>\\n" each."""
    return "".join(
        [
            f"{birth} {number:x} {seq} {state} {at - (number >> SHIFT)} {attempt or ''} {note and _one_line(note)}\n"
            for number, _, state, seq, attempt, at, note, _ in entries
        ]
    )


def read_trail(trail: str) -> list[tuple[int, Entry]]:
    """Return the transitions that a row keeps, each with its birth; their job is not said."""
    found = []
    for line in trail.split("\n")[:-1]:
        birth, number, seq, state, later, attempt, note = line.split(" ", 6)
        entry, tried = int(number, 16), int(attempt) if attempt else None
        found.append((int(birth), Entry(entry, "", state, int(seq), tried, (entry >> SHIFT) + int(later), note)))
    return found


def created_at(detail: Detail, otherwise: int) -> int:
    """Return when the job was submitted (ms)."""
    return _integer(detail.values[CREATED]) or otherwise


def times_of(created: int, due: int | None, started: int | None, finished: int | None) -> Times:
    """Return how long an ended job ran and how long it waited once it was ready (ms), as far as known."""
    if not started:
        return None, None
    wait = max(0, started - max(created, due or 0))
    return max(0, finished - started) if finished else None, wait


def bin_of(milliseconds: int) -> int:
    """Return the number of the bin that a time is counted in: four for each doubling, bin 0 for less than 1 ms."""
    return 0 if milliseconds < 1 else 1 + int(4 * math.log2(milliseconds))


def time_of(bin: int) -> float:
    """Return the middle of a bin, in ms."""
    return 0.0 if bin == 0 else float(2 ** ((bin - 0.5) / 4))


def _arguments(detail: Detail) -> str:
    """Return `[args, kwargs]` from the message that waits for the history: it was too large for the record."""
    if not detail.message:
        return ""
    try:
        message = json.loads(detail.message)
        body: str = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body, validate=True).decode()
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        return ""
    return _without_nul(arguments(body, ARGUMENTS_LIMIT))


def result_of(meta: str) -> str | None:
    """Return the result as JSON from Celery's, None where it is not kept: nobody wanted it, or it is too large."""
    if not meta or len(meta) > RESULT_LIMIT:
        return None
    plain = PLAIN_RESULT.match(meta)
    if plain:
        return plain[1]
    try:
        value = _read(meta)[0]["result"]
        return str(value) if type(value) is int else _short(value)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _integer(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _clean(detail: Detail) -> Detail:
    if "\x00" not in "".join(filter(None, detail.values)):
        return detail
    return detail._replace(values=[value and _without_nul(value) for value in detail.values])


def _one_line(note: str) -> str:
    return " ".join(_without_nul(note).splitlines())


def _without_nul(text: str) -> str:
    """Replace NUL, and half a surrogate pair."""
    return (
        text
        if text.isascii() and "\x00" not in text
        else text.replace("\x00", "\ufffd").encode(errors="replace").decode()
    )
