"""Speaks SQL's rows: what a record of Redis becomes in the tables. Pure.

A record is at least as new as the journal's entries read before it, so a row takes its state from the record, and
from the last entry only where the record is gone.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from celeriac.job import TERMINAL, State
from celeriac.queue.message import arguments
from celeriac.store.journal import Detail

Row = dict[str, Any]

RESULT_LIMIT = 65536  # bytes of a result that the history keeps
ARGUMENTS_LIMIT = 1 << 22
STATES = frozenset(State)
TEXTS = {"task": "task", "queue": "queue", "owner": "owner", "worker": "worker", "reason": "reason",
         "parent_id": "parent_id", "root_id": "root_id", "group_id": "group"}  # fmt: skip
MOMENTS = ("due", "started_at", "finished_at")
NUMBERS = ("attempt", "retries", "losses", "seq")


def is_known(detail: Detail) -> bool:
    """Does Redis still know the job?"""
    return detail.fields.get("state") in STATES


def row_of(id: str, detail: Detail) -> Row:
    """Return a job's columns, but for its key, from its record."""
    fields = detail.fields
    state = fields["state"]
    row: Row = {"id": id, "state": state}
    for column, field in TEXTS.items():
        row[column] = _clean(fields.get(field, ""))
    for column in MOMENTS:
        row[column] = _integer(fields.get(column))
    for column in NUMBERS:
        row[column] = _integer(fields.get(column)) or 0
    row["args"] = _clean(_arguments(detail)) or None
    row["options"] = _clean(fields.get("options", "")) or None
    row["error"] = _clean(fields.get("error", "")) or None if state != State.SUCCEEDED else None
    row["attempts"] = _clean(fields.get("attempts", "")) or None
    row["result"] = _result(detail.meta) if state == State.SUCCEEDED else None
    return row


def row_without_record(id: str, state: str, at: int, seq: int) -> Row:
    """Return the columns of a job of which the journal's entries are all that is left."""
    row: Row = {"id": id, "state": state, "seq": seq, "attempt": 0, "retries": 0, "losses": 0}
    row |= dict.fromkeys(TEXTS, "") | dict.fromkeys((*MOMENTS, "args", "options", "error", "attempts", "result"))
    return row | ({"finished_at": at} if state in TERMINAL else {})


def created_at(detail: Detail, otherwise: int) -> int:
    """Return when the job was submitted (ms)."""
    return _integer(detail.fields.get("created_at")) or otherwise


def times_of(row: Row, created: int) -> dict[str, int]:
    """Return how long an ended job ran and how long it waited once it was ready (ms), as far as known."""
    times, started = {}, row["started_at"]
    if started and row["finished_at"]:
        times["run"] = max(0, row["finished_at"] - started)
    if started:
        times["wait"] = max(0, started - max(created, row["due"] or 0))
    return times


def bin_of(milliseconds: int) -> int:
    """Return the number of the bin that a time is counted in: four for each doubling, bin 0 for less than 1 ms."""
    return 0 if milliseconds < 1 else 1 + int(4 * math.log2(milliseconds))


def time_of(bin: int) -> float:
    """Return the middle of a bin, in ms."""
    return 0.0 if bin == 0 else float(2 ** ((bin - 0.5) / 4))


def _arguments(detail: Detail) -> str:
    """Return `[args, kwargs]`, from the message where it is too large for the record."""
    kept = detail.fields.get("args", "")
    if kept or not detail.message:
        return kept
    try:
        message = json.loads(detail.message)
        body: str = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body, validate=True).decode()
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        return ""
    return arguments(body, ARGUMENTS_LIMIT)


def _result(meta: bytes) -> str | None:
    """Return the result as JSON, None where there is none, or one too large to keep here."""
    if not meta or len(meta) > RESULT_LIMIT:
        return None
    try:
        value = json.loads(meta)["result"]
        return None if value is None else json.dumps(value, separators=(",", ":"))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _integer(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _clean(text: str) -> str:
    """PostgreSQL's text cannot hold NUL, nor half a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
