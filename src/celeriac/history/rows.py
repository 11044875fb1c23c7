"""Speaks SQL's rows: what a record of Redis and the journal's entries become in the tables. Pure.

A record is at least as new as the journal's entries read before it, so a row takes its state from the record, and
from the last entry only where that tells all that changed, or where the record is gone.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from celeriac.job import TERMINAL, State
from celeriac.queue.message import arguments
from celeriac.store.journal import SHIFT, Detail, Entry

RESULT_LIMIT = 65536  # bytes of a result that the history keeps
ARGUMENTS_LIMIT = 1 << 22
STATES = frozenset(State)
COUNTED = ("due", "started_at", "finished_at", "attempt", "retries", "losses", "seq")
_short = json.JSONEncoder(separators=(",", ":")).encode
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


def is_known(detail: Detail) -> bool:
    """Does Redis still know the job?"""
    return detail.fields.get("state") in STATES


def row_of(n: int, id: str, detail: Detail, trail: str = "") -> Row:
    """Return a job's columns from its record."""
    fields = _clean(detail.fields)
    get, state = fields.get, fields["state"]
    due, started, finished, attempt, retries, losses, seq = _integers(map(get, COUNTED))
    return Row(
        n, id, state, get("task", ""), get("queue", ""), get("owner", ""), get("worker", ""), get("reason", ""),
        due, started, finished, attempt or 0, retries or 0, losses or 0, seq or 0,
        get("args") or _arguments(detail) or None, get("options"),
        get("error") if state != State.SUCCEEDED else None,
        result_of(detail.meta) if state == State.SUCCEEDED else None,
        get("attempts"), get("parent_id", ""), get("root_id", ""), get("group", ""), trail,
    )  # fmt: skip


def told_row(n: int, entry: Entry, trail: str = "") -> Moved:
    """Return what changed, from an entry that tells it."""
    worker, started, attempt, meta = entry.tells()
    finished, result = entry.at if entry.state in TERMINAL else None, result_of(meta)
    note, begun, tried = _without_nul(entry.note), _integer(started), _integer(attempt) or 0
    return Moved(n, entry.state, _without_nul(worker), note, begun, finished, tried, entry.seq, result, trail)


def row_without_record(n: int, id: str, last: Entry, trail: str) -> Row:
    """Return the columns of a job of which the journal's entries are all that is left."""
    finished = {"finished_at": str(last.at)} if last.state in TERMINAL else {}
    return row_of(n, id, Detail({"state": last.state, "seq": str(last.seq), **finished}), trail)


def with_told(detail: Detail, entry: Entry) -> Detail:
    """Return a record with what an entry tells of it."""
    worker, started, attempt, meta = entry.tells()
    told = {"state": entry.state, "seq": str(entry.seq), "worker": worker, "started_at": started, "attempt": attempt}
    finished = {"finished_at": str(entry.at)} if entry.state in TERMINAL else {}
    return Detail({**detail.fields, **told, **finished}, meta, detail.message)


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
    return _integer(detail.fields.get("created_at")) or otherwise


def times_of(created: int, due: int | None, started: int | None, finished: int | None) -> dict[str, int]:
    """Return how long an ended job ran and how long it waited once it was ready (ms), as far as known."""
    times = {}
    if started:
        if finished:
            times["run"] = max(0, finished - started)
        times["wait"] = max(0, started - max(created, due or 0))
    return times


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
    try:
        value = _read(meta)[0]["result"]
        return str(value) if type(value) is int else _short(value)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _integers(texts: Iterable[str | None]) -> list[int | None]:
    given = list(texts)
    try:
        return [int(text) if text else None for text in given]
    except ValueError:
        return [_integer(text) for text in given]


def _integer(text: str | None) -> int | None:
    if not text:
        return None
    if text.isdecimal():
        return int(text)
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _clean(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return the fields as PostgreSQL's text can hold them."""
    if "\x00" not in "".join(fields.values()):
        return fields
    return {name: _without_nul(value) for name, value in fields.items()}


def _one_line(note: str) -> str:
    return " ".join(_without_nul(note).splitlines())


def _without_nul(text: str) -> str:
    """Replace NUL, and half a surrogate pair."""
    return (
        text
        if text.isascii() and "\x00" not in text
        else text.replace("\x00", "\ufffd").encode(errors="replace").decode()
    )
