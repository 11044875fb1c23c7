"""What a job is: its states and the one table of legal moves. Pure: no Redis, no Celery, no clock.

scheduled ─┐
queued ────┼─> running ──> succeeded | failed | cancelled | lost
retrying ──┘      │ └────> retrying (Celery's retry) | queued (its worker was lost)
                  └─ cancelling ─> cancelled (or whatever the job still reached)
"""

from __future__ import annotations

import os
from enum import StrEnum


class State(StrEnum):
    """The states of a job, in the order of its life."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


class Move(StrEnum):
    """What can happen to a job."""

    START = "start"
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    REPLACE = "replace"
    CANCEL = "cancel"
    CANCELLED = "cancelled"
    REQUEUE = "requeue"
    BURY = "bury"
    RESUBMIT = "resubmit"
    DELETE = "delete"


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.LOST})
WAITING = frozenset({State.SCHEDULED, State.QUEUED, State.RETRYING})
ACTIVE = frozenset({State.RUNNING, State.CANCELLING})
LIVE = WAITING | ACTIVE

#: move -> (states it may start from, state it leads to)
MOVES: dict[Move, tuple[frozenset[State], State]] = {
    Move.START: (WAITING | ACTIVE, State.RUNNING),
    Move.SUCCEED: (LIVE, State.SUCCEEDED),
    Move.FAIL: (LIVE, State.FAILED),
    Move.RETRY: (LIVE, State.RETRYING),
    Move.REPLACE: (LIVE, State.SCHEDULED),
    Move.CANCEL: (LIVE, State.CANCELLING),
    Move.CANCELLED: (LIVE, State.CANCELLED),
    Move.REQUEUE: (LIVE, State.QUEUED),
    Move.BURY: (LIVE, State.LOST),
    Move.RESUBMIT: (TERMINAL, State.QUEUED),
    Move.DELETE: (TERMINAL, State.LOST),
}

#: One letter for each state, as the trail of a record keeps it: small for what moves on, capital for an end.
LETTERS: dict[State, str] = {
    State.SCHEDULED: "s",
    State.QUEUED: "q",
    State.RUNNING: "r",
    State.RETRYING: "t",
    State.CANCELLING: "c",
    State.SUCCEEDED: "S",
    State.FAILED: "F",
    State.CANCELLED: "C",
    State.LOST: "L",
}

#: Celery's word for each of our states, as `AsyncResult.state` shows it.
CELERY_STATES: dict[State, str] = {
    State.SCHEDULED: "PENDING",
    State.QUEUED: "PENDING",
    State.RUNNING: "STARTED",
    State.RETRYING: "RETRY",
    State.CANCELLING: "STARTED",
    State.SUCCEEDED: "SUCCESS",
    State.FAILED: "FAILURE",
    State.CANCELLED: "REVOKED",
    State.LOST: "FAILURE",
}


def new_id() -> str:
    """Return an id for a job: a random UUID (RFC 9562, version 4), at a third of what Python's `uuid` takes."""
    drawn = bytearray(os.urandom(16))
    drawn[6], drawn[8] = drawn[6] & 0x0F | 0x40, drawn[8] & 0x3F | 0x80
    text = drawn.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
