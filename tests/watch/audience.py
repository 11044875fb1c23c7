"""An app with people before its streams, in this process: each stream is read by a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from celeriac import Celeriac
from celeriac.auth.caller import scopes_of
from celeriac.store import moves
from tests.article.running import eventually
from tests.hand import Hand
from tests.steering import steered  # noqa: F401  # registers its jobs
from tests.watch.listener import Heard, Parser

SECRET_KEY = "1f0c7d5ab29e4d7788aa3c10f4be92d1c5"


def make_app(broker_url: str, **config: Any) -> Flask:
    """Return an app; closed unless `config` says otherwise."""
    app = Flask("watched")
    app.config.from_mapping(BROKER_URL=broker_url, SECRET_KEY=SECRET_KEY, CELERIAC_HISTORY=False, **config)
    Celeriac(app)
    return app


class Seat:
    """One open stream: what was `heard` so far, and whether it is `over`."""

    def __init__(self, response: TestResponse) -> None:
        self.response, self.status = response, response.status_code
        self.heard: list[Heard] = []
        self.parser = Parser()
        self.over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for part in self.response.response:
            assert isinstance(part, bytes)
            self.heard += self.parser.feed(part)
        self.over = True

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.heard]

    @property
    def said(self) -> list[str]:
        """Each event in a word: its state, its line, its percent."""
        return [str(e.data.get("text") or e.data.get("percent") or e.data.get("state")) for e in self.heard]

    def hears(self, n: int) -> list[Heard]:
        """Wait until n events have come."""
        eventually(lambda: len(self.heard) >= n, f"{n} events; there are {self.heard}")
        return self.heard

    def ends(self) -> list[Heard]:
        """Wait until the stream is over; return all that came."""
        eventually(lambda: self.over, f"the end after {self.heard}")
        return self.heard

    def leave(self) -> None:
        """Close it, once it is over."""
        self._thread.join()
        self.response.close()


class Audience:
    """Opens streams, as whoever sits at this machine or by a token, and closes them all."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.seats: list[Seat] = []

    def token(self, owner: str, *scopes: str) -> str:
        """Return a token's text."""
        text, _ = self.app.extensions["celeriac"].api.tokens.create(owner, scopes_of(scopes))
        return str(text)

    def watch(self, path: str, last_id: str | None = None, token: str = "") -> Seat:
        """Open a stream, which may be refused."""
        headers = {"Last-Event-ID": last_id} if last_id is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        seat = Seat(self.app.test_client().get(path, headers=headers))
        self.seats.append(seat)
        return seat

    def job(self, id: str, last_id: str | None = None) -> Seat:
        """Watch one job."""
        return self.watch(f"/api/jobs/{id}/events", last_id)

    def leave(self) -> None:
        """Close every stream that is still open."""
        self.app.extensions["celeriac"].api.watch.end_streams()
        for seat in self.seats:
            seat.leave()


def say(hand: Hand, token: str, *lines: str, cap: int = 1000, percent: int | None = None) -> None:
    """Let a running job say lines, and then how far it is."""
    told = [json.dumps({"t": int(time.time() * 1000), "l": "info", "m": line}) for line in lines]
    step = (
        "" if percent is None else json.dumps({"state": "PROGRESS", "current": percent, "total": 100, "status": None})
    )
    moves.report(hand.client, hand.space, cap, [moves.Report(token, step, "", told)])
