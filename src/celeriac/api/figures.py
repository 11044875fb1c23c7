"""The shapes of the numbers that are told of all jobs. Pure."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from celeriac.job import State


class Spread(BaseModel):
    """Seconds: mean, median, and what 95 of a hundred stay below."""

    mean: float
    p50: float
    p95: float


class Point(BaseModel):
    """One step of time: jobs that came, and that ended in each way; how long those ran, and had waited."""

    at: datetime
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    lost: int
    run: Spread | None
    wait: Spread | None


class OfTask(BaseModel):
    """How many jobs of a task are in each state."""

    task: str
    states: dict[State, int]


class HistoryHealth(BaseModel):
    """How the copying goes: `lag` is how long the oldest uncopied transition has waited (s); with a `gap`, entries
    were lost before they were copied, and are being completed."""

    on: bool
    well: bool
    lag: float
    gap: bool
    error: str


class Stats(BaseModel):
    """How many jobs there are, and what happened over time."""

    since: datetime
    until: datetime
    step: int
    states: dict[State, int]
    tasks: list[OfTask]
    series: list[Point]
    history: HistoryHealth
