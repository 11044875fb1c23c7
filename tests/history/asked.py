"""An app with a history that copies by itself, and people at its door."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from celeriac import history
from celeriac.job import Move
from tests.api.served import Hand, Person, make_app
from tests.article.running import eventually


class Asked:
    """An app with a history, an operator `olga`, and `ann` and `bob`, who submit and read."""

    def __init__(self, broker_url: str, database_url: str, **config: Any) -> None:
        given = {"CELERIAC_HISTORY": True, "DATABASE_URL": database_url, "CELERIAC_RATE_LIMIT": 0}
        self.app: Flask = make_app(broker_url, **given | config)
        self.ann = Person(self.app, "ann", "submit", "read")
        self.bob = Person(self.app, "bob", "submit", "read")
        self.olga = Person(self.app, "olga", "operate")
        self.hand = Hand(self.app.extensions["celeriac"].context)
        history.of(self.app).upgrade()

    def ids(self, person: Person, **query: Any) -> list[str]:
        """Return the ids of a list, page by page, until its end."""
        found: list[str] = []
        path: str | None = None
        while path is None or path:
            answer = person("GET", path) if path else person("GET", "/api/jobs", query_string=query)
            assert answer.status_code == 200, answer.text
            found += [job["id"] for job in answer.json["items"]]
            link = answer.headers.get("Link", "")
            assert bool(link) == bool(answer.json["next_page_token"])
            path = link.partition(">")[0].lstrip("<")
        return found

    def end(self, id: str, move: Move = Move.SUCCEED, **options: Any) -> None:
        """Let a job run and end; it must be the next one of its queue."""
        token = self.hand.start()
        assert token.startswith(id), "another job was next"
        self.hand.end(token, move, **options)

    def copied(self) -> None:
        """Wait until SQL has all that has happened so far."""
        marker = f"marker-{secrets.token_hex(4)}"
        with self.app.app_context():
            self.app.extensions["celeriac"].context.send("echo", {"text": marker}, id=marker, queue="markers")
        asked = history.of(self.app)
        self.olga("GET", "/api/session")  # the first request lets this process copy
        eventually(lambda: asked.find(marker), "the copy of a marker")
        self.hand.client.delete(f"{self.hand.space.keys}job:{marker}")

    def close(self) -> None:
        """Stop copying."""
        if copier := self.app.extensions["celeriac.history"].get("copier"):
            copier.stop()
        history.of(self.app).close()


@contextmanager
def asked_app(broker_url: str, database_url: str, **config: Any) -> Iterator[Asked]:
    """Give such an app, and stop its copying afterwards."""
    made = Asked(broker_url, database_url, **config)
    try:
        yield made
    finally:
        made.close()
