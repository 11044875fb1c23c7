"""Speaks SQL's rows: what a record of Redis becomes in the tables. Pure.

A record is at least as new as the journal's entries read before it, so a row takes its state from the record, and
from the last entry only where the record is gone.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

from celeriac.job import TERMINAL, State
from celeriac.queue.message import arguments
from celeriac.store import journal
from celeriac.store.journal import Detail

Row = dict[str, Any]

RESULT_LIMIT = 65536  # bytes of a result that the history keeps
ARGUMENTS_LIMIT = 1 << 22
STATES = frozenset(State)
MOVING = (*journal.MOVING, "result")  # the columns that change while a job runs and succeeds
_short = json.JSONEncoder(separators=(",", ":")).encode


def is_known(detail: Detail) -> bool:
    """Does Redis still know the job?"""
    return detail.fields.get("state") in STATES


def moving_row(detail: Detail) -> Row:
    """Return the columns that change while a job runs and succeeds, from its record."""
    return _moving(_clean(detail.fields), detail.meta)


def row_of(id: str, detail: Detail) -> Row:
    """Return a job's columns, but for its key, from its record."""
    fields = _clean(detail.fields)
    get, row = fields.get, _moving(fields, detail.meta)
    row["id"] = id
    row["task"], row["queue"], row["owner"] = get("task", ""), get("queue", ""), get("owner", "")
    row["parent_id"], row["root_id"], row["group_id"] = get("parent_id", ""), get("root_id", ""), get("group", "")
    row["args"], row["options"] = get("args") or _arguments(detail) or None, get("options")
    return row


def _moving(fields: Mapping[str, str], meta: bytes) -> Row:
    get, state = fields.get, fields["state"]
    return {
        "state": state,
        "worker": get("worker", ""),
        "reason": get("reason", ""),
        "due": _integer(get("due")),
        "started_at": _integer(get("started_at")),
        "finished_at": _integer(get("finished_at")),
        "attempt": _integer(get("attempt")) or 0,
        "retries": _integer(get("retries")) or 0,
        "losses": _integer(get("losses")) or 0,
        "seq": _integer(get("seq")) or 0,
        "error": get("error") if state != State.SUCCEEDED else None,
        "result": _result(meta) if state == State.SUCCEEDED else None,
        "attempts": get("attempts"),
    }


def row_without_record(id: str, state: str, at: int, seq: int) -> Row:
    """Return the columns of a job of which the journal's entries are all that is left."""
    finished = {"finished_at": str(at)} if state in TERMINAL else {}
    return row_of(id, Detail({"state": state, "seq": str(seq), **finished}))


def created_at(detail: Detail, otherwise: int) -> int:
    """Return when the job was submitted (ms)."""
    return _integer(detail.fields.get("created_at")) or otherwise


def times_of(row: Mapping[str, Any], created: int) -> dict[str, int]:
    """Return how long an ended job ran and how long it waited once it was ready (ms), as far as known."""
    times, started = {}, row["started_at"]
    if started:
        if row["finished_at"]:
            times["run"] = max(0, row["finished_at"] - started)
        times["wait"] = max(0, started - max(created, row["due"] or 0))
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


def _result(meta: bytes) -> str | None:
    """Return the result as JSON, None where there is none, or one too large to keep here."""
    if not meta or len(meta) > RESULT_LIMIT:
        return None
    try:
        value = json.loads(meta)["result"]
        return None if value is None else _short(value)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _integer(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _clean(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return the fields as PostgreSQL's text can hold them."""
    if "\x00" not in "".join(fields.values()):
        return fields
    return {name: _without_nul(value) for name, value in fields.items()}


def _without_nul(text: str) -> str:
    """Replace NUL, and half a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
