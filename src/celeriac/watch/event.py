"""What a watcher is told of a job, ready for the wire. Pure.

    event: state      {"job", "state", "at", "reason"}                 it came into a state that is no end
    event: progress   {"job", "current", "total", "percent", "message"}
    event: log        {"job", "at", "level", "text"}                   it printed or logged a line
    event: end        {"job", "state", "at", "reason"}                 it ended; nothing follows unless it is retried
    event: reset      {"job", "state", "at", "reason", "progress", "log", "dropped"}
                      more happened than is kept: forget what was told, this is how it stands

Each is numbered by the job's `seq`; a reset by that of the moment that it shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from celeriac.job import TERMINAL
from celeriac.store.record import Line
from celeriac.store.since import News, Step, Transition

SHOWN = 200  # log lines of a reset


class Kind(StrEnum):
    """The kinds of events."""

    STATE = "state"
    PROGRESS = "progress"
    LOG = "log"
    END = "end"
    RESET = "reset"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `number` orders those of its job; `everyone` marks one of all jobs' transitions, which are numbered as
    in the journal."""

    job: str
    number: int
    kind: Kind
    data: Mapping[str, Any]
    body: bytes
    everyone: bool = False

    @classmethod
    def of(cls, job: str, number: int, kind: Kind, everyone: bool = False, **data: Any) -> Event:
        told = {"job": job or None, **data}
        body = f"event: {kind}\ndata: {_json(told)}\n\n".encode(errors="replace")
        return cls(job, number, kind, told, body, everyone)


def events(news: News, after: int) -> list[Event]:
    """Return what happened to the job after that number, in order; ask only where `news` is whole."""
    every: list[Transition | Line | Step] = [*news.lines, *news.steps, *news.trail]
    told: list[Event] = []
    silent = _seen(news, after) in TERMINAL  # what an attempt still says after its job has ended is in the log alone
    for one in sorted((one for one in every if one.seq > after), key=lambda one: one.seq):
        if isinstance(one, Transition):
            silent = one.state in TERMINAL
            told.append(_transition(news.id, one))
        elif not silent:
            told.append(_said(news.id, one))
    return told


def reset(news: News) -> list[Event]:
    """Return how the job stands, in place of what happened; its end, if it has ended, as an event of its own."""
    last = news.trail[-1] if news.trail else None
    number = news.ended - 1 if news.ended else news.seq
    shown = Event.of(
        news.id, number, Kind.RESET, state=news.state.value,
        at=_time(last.at) if last else None, reason=(last.note or None) if last else None,
        progress=progress_shown(news.step.progress) if news.step else None,
        log=[_line(line) for line in news.lines[-SHOWN:]], dropped=news.dropped,
    )  # fmt: skip
    return [shown, _transition(news.id, last)] if last and news.ended else [shown]


def first(news: News) -> int:
    """Return the number after which the present run of a job began: whoever comes anew is told of that run."""
    ends = [one.seq for one in news.trail[:-1] if one.state in TERMINAL]
    return ends[-1] if ends else 0


def progress_shown(progress: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far a job is: `current`, `total`, `percent` and `message`, what is unknown as None."""
    current, total = progress.get("current"), progress.get("total")
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (current, total))
    percent = round(100 * current / total, 1) if numbers and current is not None and total else None
    message = progress.get("status") or progress.get("message")
    return {"current": current, "total": total, "percent": percent, "message": message}


def transition(job: str, number: int, state: str, at: datetime | None, reason: str, **more: Any) -> Event:
    """Return the event of a job that came into a state."""
    kind = Kind.END if state in TERMINAL else Kind.DELETED if state == Kind.DELETED else Kind.STATE
    return Event.of(job, number, kind, state=state, at=_time(at), reason=reason or None, **more)


def gone(job: str, number: int) -> Event:
    """Return the end of a job that there is no record of, or none that the watcher may see."""
    return Event.of(job, number, Kind.END, state=None, at=None, reason="unknown")


def _seen(news: News, after: int) -> str | None:
    """Return the state in which the job was at that number."""
    return next((one.state for one in reversed(news.trail) if one.seq <= after), None)


def _transition(id: str, one: Transition) -> Event:
    return transition(id, one.seq, one.state.value, one.at, one.note)


def _said(id: str, one: Line | Step) -> Event:
    if isinstance(one, Step):
        return Event.of(id, one.seq, Kind.PROGRESS, **progress_shown(one.progress))
    return Event.of(id, one.seq, Kind.LOG, **_line(one))


def _line(line: Line) -> dict[str, Any]:
    return {"at": _time(line.at), "level": line.level, "text": line.text}


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def _json(value: Any) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):  # NaN and infinity, which a job may report, are no JSON
        return json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not -1e308 < value < 1e308 else value
