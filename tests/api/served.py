"""An app with jobs for what HTTP must do with them, closed as in production, and people with tokens."""

from __future__ import annotations

import enum
import json
import time
from datetime import date
from typing import Annotated, Any

from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel, Field

from celeriac import Celeriac, current_job, job, needs
from celeriac.auth.caller import scopes_of
from celeriac.job import Move
from celeriac.store import moves
from tests.hand import Hand as AnyHand

SECRET_KEY = "6f1d0c5ab29e4d7788aa3c10f4be92d1c5"


class Size(enum.StrEnum):
    """How large."""

    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    """Where to send it."""

    street: str
    zip: Annotated[str, Field(pattern=r"^\d{5}$")]


@job(name="sum_up")
def sum_up(numbers: list[float]) -> float:
    """Add numbers."""
    return sum(numbers)


@job(name="order", queue="orders")
def order(
    item: Annotated[str, Field(min_length=1, max_length=50)],
    to: Address,
    size: Size = Size.SMALL,
    on: date | None = None,
    count: Annotated[int, Field(ge=1, le=10)] = 1,
) -> dict[str, Any]:
    """Order something.

    The longer description.
    """
    return {"item": item, "to": to.street, "size": size, "on": on.isoformat() if on else None, "count": count}


@job(name="blow_up", max_retries=0)
def blow_up(password: str) -> None:
    """Fail, and say too much."""
    print(f"Working with {password}")
    raise RuntimeError(f"Could not log in with {password}")


@job(name="echo")
def echo(text: str, times: int = 1) -> str:
    """Return the text."""
    return text * times


@job(name="hand_on")
def hand_on(text: str) -> str:
    """Let another job say it."""
    return str(echo.delay(text).id)


@job(name="once_a_minute", unique=60)
def once_a_minute(text: str) -> str:
    """Equal ones within a minute are one."""
    return text


@job(name="stay_on", queue="io")
def stay_on() -> None:
    """Run until somebody stops it."""
    while True:
        current_job.check()
        time.sleep(0.02)


class Hand(AnyHand):
    """A worker whose every step is a test's, and that can speak."""

    def say(self, token: str, line: str) -> None:
        """Add a line to the job's log."""
        moves.report(self.client, self.space, 1000, [moves.Report(token, lines=[line])])

    def fail(self, token: str, error: dict[str, str]) -> None:
        """End a job by an error."""
        id, _, fence = token.rpartition(":")
        meta = json.dumps({"status": "FAILURE", "result": None, "task_id": id})
        end = moves.Finish(id, Move.FAIL, int(fence), meta, worker=self.name, error=json.dumps(error))
        moves.finish(self.client, self.space, end)


def make_app(broker_url: str, **config: Any) -> Flask:
    """Return an app that is closed, unless `config` says otherwise."""
    app = Flask("served")
    app.config.from_mapping(BROKER_URL=broker_url, CELERIAC_STREAM_AGE=0.2, SECRET_KEY=SECRET_KEY, **config)
    Celeriac(app)

    @app.post("/own")
    @needs("submit")
    def own() -> dict[str, str]:
        return {"id": sum_up.delay([1.0]).id}

    return app


def token(app: Flask, owner: str, *scopes: str) -> str:
    """Return the text of a new token."""
    text, _ = app.extensions["celeriac"].api.tokens.create(owner, scopes_of(scopes))
    return text


class Person:
    """Somebody with a token, at the app's door."""

    def __init__(self, app: Flask, owner: str, *scopes: str) -> None:
        self.token = token(app, owner, *scopes) if scopes else ""
        self.client: FlaskClient = app.test_client()

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send one request."""
        headers = dict(options.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            options["json"] = body
        return self.client.open(path, method=method, headers=headers, **options)

    def submit(self, task: str = "sum_up", **arguments: Any) -> str:
        """Submit a job and return its id."""
        answer = self("POST", f"/api/tasks/{task}", arguments or {"numbers": [1.0, 2.0]})
        assert answer.status_code == 202, answer.get_data(as_text=True)
        id: str = answer.json["id"]
        return id
