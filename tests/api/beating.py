"""An app that is told to do things by itself; `celery -A tests.api.beating beat` is its beat."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from celery.schedules import crontab, schedule
from flask import Flask

from tests.api import served
from tests.api.served import blow_up, echo, order, sum_up


class Moon(schedule):
    """A schedule of the app's own."""

    def __repr__(self) -> str:
        return "<when the moon is full>"


SCHEDULE: dict[str, Any] = {
    "often": {"task": sum_up.name, "schedule": 1.0, "args": ([1, 2],)},
    "seldom": {"task": echo.name, "schedule": timedelta(hours=36), "kwargs": {"text": "x", "times": 2}},
    "nightly": {"task": echo.name, "schedule": crontab(minute=30, hour=4), "args": ("night",)},
    "weekdays": {"task": order.name, "schedule": crontab(minute="*/15", hour="8-17", day_of_week="mon-fri")},
    "secretly": {"task": blow_up.name, "schedule": crontab(minute="0", hour="*"), "kwargs": {"password": "rosebud"}},
    "monthly": {"task": "elsewhere.task", "schedule": Moon(timedelta(days=29))},
}


def make_app(**config: Any) -> Flask:
    """Return the app; its clock is Berlin's."""
    celery = {"beat_schedule": dict(SCHEDULE), "timezone": "Europe/Berlin"}
    return served.make_app(config.pop("BROKER_URL"), CELERY=celery, **config)


def __getattr__(name: str) -> Any:
    """Make the app when beat asks for it."""
    if name != "celery":
        raise AttributeError(name)
    names = ("BROKER_URL", "CELERIAC_HISTORY", "DATABASE_URL", "CELERIAC_DATA")
    return make_app(**{name: os.environ[name] for name in names}).extensions["celery"]
