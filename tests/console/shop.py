"""An app whose jobs show what the console must: progress, lines, failures, secrets, pictures, every kind of field.

`tests.console.shop:flask_app` is what Gunicorn runs, and Celery's workers. A job that waits for somebody does so at a
file.
"""

from __future__ import annotations

import enum
import logging
import os
import time
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from celery import chord
from celery.schedules import crontab
from flask import Flask
from pydantic import BaseModel, Field

from celeriac import Celeriac, File, current_job, job, track

GATES = Path(os.environ.get("SHOP_GATES", "."))
PICTURE = (  # a PNG of 16 by 16
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAHklEQVR42mO4c2IaSYghYEEKSYgOGkb9MOoHKmkAAFhvjZDkclt6AAAA"
    "AElFTkSuQmCC"
)

SCHEDULES = {
    "nightly": {"task": "add", "schedule": crontab(hour="4", minute="30"), "kwargs": {"x": 1, "y": 2}},
    "sweep": {"task": "celery.backend_cleanup", "schedule": 300.0},
}


class Size(enum.StrEnum):
    """How large."""

    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    """Where it goes."""

    street: str
    zip: Annotated[str, Field(pattern=r"^\d{5}$", description="Five digits.")]


def wait_at(gate: str) -> None:
    """Go on when the gate is open: a file of that name."""
    while not (GATES / gate).exists():
        current_job.check()
        time.sleep(0.05)


@job(name="add")
def add(x: int | float, y: int | float = 1) -> int | float:
    """Add two numbers."""
    return x + y


@job(name="order")
def order(
    item: Annotated[str, Field(min_length=1, max_length=50, description="What is ordered.")],
    to: Address,
    size: Size = Size.SMALL,
    on: date | None = None,
    at: datetime | None = None,
    count: Annotated[int, Field(ge=1, le=10)] = 1,
    gift: bool = False,
    notes: list[str] = [],  # noqa: B006  # as people write it; pydantic copies it
    extra: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Order something.

    The longer description, which tells what it does with what it is given.
    """
    return {"item": item, "to": to.street, "size": size, "on": str(on), "count": count, "gift": gift, "notes": notes}


@job(name="walk", queue="io")
def walk(steps: int = 20, gate: str = "", seconds: float = 0.05) -> str:
    """Go some steps, and wait at a gate half way."""
    for step in track(range(steps)):
        print(f"Step {step}")
        time.sleep(seconds)
        if gate and step == steps // 2:
            wait_at(gate)
    return "Arrived"


@job(name="talk")
def talk(lines: int = 500) -> int:
    """Print many lines, not so fast that some would be left out."""
    for n in range(lines):
        print(f"Line {n} of {lines}")
        if n % 100 == 99:
            logging.getLogger("shop").warning("Warning %d", n)
            time.sleep(0.1)
    return lines


@job(name="divide", max_retries=0)
def divide(x: float, by: float) -> float:
    """Divide, and fail where that cannot be."""
    return x / by


@job(name="log_in", max_retries=0)
def log_in(user: str, password: str) -> str:
    """Log in somewhere."""
    return f"{user} is in ({len(password)} letters)"


@job(name="draw")
def draw(kind: Literal["picture", "text"] = "picture") -> dict[str, str]:
    """Return a picture."""
    return {"picture": f"data:image/png;base64,{PICTURE}", "title": kind}


@job(name="frame")
def frame(picture: File, title: str = "") -> dict[str, Any]:
    """Put a picture into a frame."""
    return {"title": title, "framed": File(picture.read(), name="framed.png", media_type="image/png")}


@job(name="echo", max_retries=0)
def echo(text: str, fail: bool = False) -> str:
    """Say it everywhere: in the log, as progress, as the result or the error."""
    print(text)
    for _ in track([1], message=text):
        pass
    if fail:
        raise ValueError(text)
    return text


@job(name="feast")
def feast(guests: int = 3) -> str:
    """Add for each guest, then everything together."""
    return str(chord([add.s(n) for n in range(guests)])(add_up.s()).id)


@job(name="add_up")
def add_up(numbers: list[float]) -> float:
    """Add everything up."""
    return sum(numbers)


@job(name="post", queue="post")
def post() -> None:
    """Wait for a worker that is not there."""


def make_app(**config: object) -> Flask:
    """Return the app, as the environment says."""
    app = Flask("shop")
    app.config.from_mapping(
        SECRET_KEY="6f1d0c5ab29e4d7788aa3c10f4be92d1c5", CELERY={"beat_schedule": dict(SCHEDULES)}, **config
    )
    Celeriac(app)
    return app


flask_app = make_app()  # not `app`: `celery -A` would take that for the Celery app
celery = flask_app.extensions["celery"]
