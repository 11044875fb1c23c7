"""An app with one job for each thing that is steered, and what tests of it do often."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask

from celeriac import Celeriac, actions, current_job, job
from celeriac.actions import Context
from celeriac.job import Move
from celeriac.store import record
from celeriac.store.record import Record
from tests.hand import Hand


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


def read(context: Context, id: str) -> Record:
    """Return what is known of a job."""
    return record.read(context.client, context.space, id)


def failed(context: Context, hand: Hand, task: str = "steered_double", **arguments: object) -> str:
    """Submit a job, let it fail, and return its id."""
    id = actions.submit(context, task, arguments)
    hand.end(hand.start(context.jobs.find(task).queue), Move.FAIL, error="it broke")
    return id
