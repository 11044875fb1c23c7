"""Speaks SQL and Redis: a fresh history on each kind of database, and a copier that a test drives step by step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac import Celeriac
from celeriac.history.copier import Copier, space_of
from celeriac.history.database import Database
from celeriac.history.timeline import GAP, timeline
from celeriac.store import moves
from celeriac.store.moves import Space
from tests.history.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of its own, for the whole session."""
    server = Postgres().start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; a test that takes it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@dataclass
class House:
    """An app with a history: what happens to its jobs is made to happen by the moves themselves."""

    app: Flask
    copier: Copier

    @property
    def celery(self) -> Any:
        return self.app.extensions["celery"]

    @property
    def client(self) -> Any:
        return self.celery.client

    @property
    def space(self) -> Space:
        return space_of(self.celery.settings)

    @property
    def database(self) -> Database:
        return self.copier.database

    def submit(self, task: str = "mail.send", *args: Any, **options: Any) -> str:
        """Submit a job through Celery; return its id."""
        return str(self.celery.send_task(task, args, **options).id)

    def run(
        self, id: str, result: str = '"done"', move: str = "succeed", error: str = "", queue: str = "celery"
    ) -> None:
        """Fetch, start and end a job, as a worker would."""
        (token,) = [d.token for d in self.fetch(queue) if d.token.startswith(id)]
        moves.start(self.client, self.space, token, "worker@test", 0.0, "")
        self.finish(token, result, move, error)

    def fetch(self, queue: str = "celery", n: int = 100) -> list[moves.Delivery]:
        return moves.fetch(self.client, self.space, n, [(self.space.prefix + queue, queue, True)]).deliveries

    def finish(self, token: str, result: str = '"done"', move: str = "succeed", error: str = "") -> str:
        id, _, fence = token.rpartition(":")
        meta = f'{{"status": "SUCCESS", "result": {result}, "task_id": "{id}"}}'
        end = moves.Finish(id, moves.Move(move), int(fence), meta, 0.0, "worker@test", error, "")
        return moves.finish(self.client, self.space, end)

    def copy(self, steps: int = 200) -> None:
        """Let the copier go on until there is nothing to do."""
        for _ in range(steps):
            if not self.copier.step_safely():
                assert not self.copier._error, self.copier._error
                return
        raise AssertionError(f"The copier was still busy after {steps} steps.")

    def another_copier(self, **settings: Any) -> Copier:
        """Return the copier of another process."""
        return Copier(self.celery.settings.model_copy(update=settings), self.celery)

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        from sqlalchemy import text

        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def states(self, id: str) -> list[str]:
        """Return the states of a job's transitions in the history, in order."""
        return [one.state for one in timeline(self.database, id) if one.state != GAP]

    def transitions(self) -> dict[str, list[str]]:
        """Return the states of every job's transitions in the history, in order."""
        return {id: self.states(id) for (id,) in self.rows("SELECT id FROM celeriac_jobs")}

    def state(self, id: str) -> str | None:
        """Return the state of a job in the history."""
        found = self.rows("SELECT state FROM celeriac_jobs WHERE id = :id", id=id)
        return found[0][0] if found else None


@pytest.fixture
def make_house_at(broker_url: str) -> Iterator[Callable[..., House]]:
    """Make an app over an empty Redis and this database; every call is another process of it."""
    made: list[House] = []

    def make(url: str, **config: Any) -> House:
        app = Flask(f"house_{secrets.token_hex(3)}")
        app.config.update({"BROKER_URL": broker_url, "DATABASE_URL": url, "CELERIAC_HISTORY": True, **config})
        Celeriac(app)
        celery = app.extensions["celery"]
        house = House(app, Copier(celery.settings, celery))
        made.append(house)
        return house

    yield make
    for house in made:
        house.copier._let_go()
        house.database.dispose()


@pytest.fixture
def make_house(make_house_at: Callable[..., House], database_url: str) -> Callable[..., House]:
    """Make an app over an empty Redis and an empty database of each kind."""
    return lambda **config: make_house_at(database_url, **config)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """An app over an empty Redis and an empty database."""
    return make_house()
