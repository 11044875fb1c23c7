"""Speaks Celery beat's schedule: what the app tells beat to submit, and when.

Only the clock and the app's configuration are read. What beat did last it keeps in a file of its own, so an interval,
which is counted from there, has no next time that could be told here. Its jobs carry the name of their schedule: the
history finds the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from celery import Celery, signals
from celery.schedules import BaseSchedule, crontab, maybe_schedule, schedule, solar

from celeriac.errors import ConfigError
from celeriac.queue.message import SCHEDULE_HEADER

UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
#: The fields of a crontab expression, in its order, as Celery's `crontab` calls them.
FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")

#: What Celery reads as a schedule.
READ: Any = (int, float, timedelta, BaseSchedule)


class Kind(StrEnum):
    """What a schedule goes by."""

    INTERVAL = "interval"  # so many seconds after the last time
    CRONTAB = "crontab"  # the clock and the calendar
    SOLAR = "solar"  # the sun, at a place
    OTHER = "other"  # a class of the app's own


@dataclass(frozen=True, slots=True)
class Timing:
    """When something is due: the fields of its kind, None for others. `seconds` is an interval's length."""

    kind: Kind
    words: str
    seconds: float | None = None
    expression: str | None = None
    timezone: str | None = None
    event: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What beat submits by itself; `task` is Celery's name. `next_run_at` is None where the clock does not tell it."""

    name: str
    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    timing: Timing
    next_run_at: datetime | None


def install(app: Celery) -> None:
    """Let what a beat of this app submits say which schedule it is of."""

    def sign(sender: Any, **_: Any) -> None:
        if sender.app is app:
            for name, entry in sender.scheduler.schedule.items():
                given = entry.options.get("headers") or {}
                entry.options["headers"] = {**given, SCHEDULE_HEADER: str(name)}

    signals.beat_init.connect(sign, weak=False, dispatch_uid=f"celeriac-schedules-{id(app)}")


def schedules(app: Celery, now: datetime | None = None) -> list[Schedule]:
    """Return what the app's `beat_schedule` says, by name; every task is registered when this returns.

    Raises ConfigError for an entry that beat cannot read either.
    """
    app.finalize()
    now = now or datetime.now(UTC)
    return [_read(app, str(name), entry, now) for name, entry in sorted(app.conf.beat_schedule.items())]


def _read(app: Celery, name: str, entry: Mapping[str, Any], now: datetime) -> Schedule:
    given: Any = entry.get("schedule")
    if not isinstance(entry.get("task"), str) or not isinstance(given, READ):
        wrong = f"beat_schedule[{name!r}] lacks the name of a `task`, or a `schedule` that is one."
        raise ConfigError(wrong, "A schedule is seconds, a timedelta, or made by `celery.schedules.crontab`.")
    when: Any = maybe_schedule(given, entry.get("relative", False), app=app)
    args, kwargs = tuple(entry.get("args") or ()), entry.get("kwargs") or {}
    return Schedule(name, entry["task"], args, kwargs, _timing(when), _next(when, now))


def _timing(when: Any) -> Timing:
    if isinstance(when, crontab):
        zone = str(when.tz)
        return Timing(Kind.CRONTAB, f"{_in_words(when)} ({zone})", expression=_expression(when), timezone=zone)
    if isinstance(when, solar):
        words = f"{when.event.replace('_', ' ')} at {when.lat:g}, {when.lon:g}"
        return Timing(Kind.SOLAR, words, event=when.event, latitude=when.lat, longitude=when.lon)
    if type(when) is schedule:
        return Timing(Kind.INTERVAL, f"every {_span(when.seconds)}", seconds=when.seconds)
    return Timing(Kind.OTHER, repr(when))


def _next(when: Any, now: datetime) -> datetime | None:
    """Return the first time after now, to the second; None for what is counted from a last time."""
    if not isinstance(when, crontab | solar):
        return None
    due = now + when.remaining_estimate(now)
    return (due + timedelta(seconds=0.5)).replace(microsecond=0)  # the estimate looks at the clock a moment later


def _field(when: crontab, name: str) -> str:
    """Return a field as it was written; Celery keeps that for its own `repr`."""
    given = getattr(when, f"_orig_{name}")
    if isinstance(given, str | int):
        return str(given).replace(" ", "")
    return ",".join(map(str, sorted(given)))


def _expression(when: crontab) -> str:
    return " ".join(_field(when, name) for name in FIELDS)


def _in_words(when: crontab) -> str:
    """Return a crontab in words: `at 04:30, day of week 1-5`, `every 15 min, hour 8-18`."""
    fields = {name: _field(when, name) for name in FIELDS}
    minute, hour = fields["minute"], fields["hour"]
    rest = {name: value for name, value in fields.items() if value != "*"}
    rest.pop("minute", None)
    if minute.isdecimal() and hour.isdecimal():
        first = f"at {int(hour):02}:{int(minute):02}"
        rest.pop("hour")
    elif minute == "*":
        first = "every minute"
    elif minute.startswith("*/"):
        first = f"every {minute[2:]} min"
    else:
        first = f"at minute {minute}"
    return ", ".join([first, *(f"{name.replace('_', ' ')} {value}" for name, value in rest.items())])


def _span(seconds: float) -> str:
    """Return an interval in its largest unit that fits: `30 s`, `5 min`, `1 d`."""
    for size, unit in UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}"
    return f"{seconds:g} s"
