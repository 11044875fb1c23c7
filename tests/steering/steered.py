"""An app with one job for each thing that is steered."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask

from celeriac import Celeriac, current_job, job


@job(name="steered_double")
def double(n: int) -> int:
    """Double a number."""
    return 2 * n


@job(name="steered_fail", max_retries=0)
def fail(why: str = "no reason") -> None:
    """Fail."""
    raise ValueError(why)


@job(name="steered_greet", queue="letters")
def greet(name: str, times: int = 1) -> str:
    """Greet somebody, on a queue of its own."""
    return f"Hello {name}!" * times


@job(name="steered_stay")
def stay() -> None:
    """Run until somebody stops it."""
    while True:
        current_job.check()
        time.sleep(0.02)


def make_app(broker_url: str, **config: Any) -> Flask:
    """Return a Flask app over this database."""
    app = Flask("steered")
    app.config.from_mapping(BROKER_URL=broker_url, **config)
    Celeriac(app)
    return app
