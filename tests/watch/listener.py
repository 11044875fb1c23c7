"""A client of event streams as browsers are: reads what comes, remembers the last id, can be cut off at any moment."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

DEADLINE = 60.0


@dataclass(frozen=True)
class Heard:
    """One event as it arrived."""

    id: str
    kind: str
    data: dict[str, Any]


@dataclass
class Parser:
    """Takes bytes, gives whole events; what is unfinished when the connection ends is lost, as in a browser."""

    rest: bytes = b""
    last_id: str | None = None
    comments: int = 0

    def feed(self, part: bytes) -> Iterator[Heard]:
        *blocks, self.rest = (self.rest + part).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":"))
            self.comments += block.startswith(b":")
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                yield Heard(fields["id"], fields["event"], json.loads(fields["data"]))


@dataclass
class Listener:
    """One connection to a stream; `status` is what was answered."""

    port: int
    path: str
    last_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parser = Parser(last_id=self.last_id)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        sent = {"Accept": "text/event-stream", **self.headers}
        if self.last_id is not None:
            sent["Last-Event-ID"] = self.last_id
        try:
            self._connection.request("GET", self.path, headers=sent)
            self.answer = self._connection.getresponse()
        except OSError:
            self._connection.close()
            raise
        self.socket = self._connection.sock
        self.status, self.over = self.answer.status, False

    def events(self, seconds: float = DEADLINE) -> Iterator[Heard]:
        """Yield events until the stream ends (then `over` is true), or the time is over."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.socket is not None:
                self.socket.settimeout(left)
            try:
                part = self.answer.read1(65536)
            except TimeoutError:
                return
            except (OSError, http.client.HTTPException):  # cut in the middle of a part
                part = b""
            if not part:
                self.over = True
                return
            yield from self.parser.feed(part)

    def until(self, kind: str, seconds: float = DEADLINE) -> list[Heard]:
        """Return the events up to the first of this kind."""
        heard = []
        for event in self.events(seconds):
            heard.append(event)
            if event.kind == kind:
                return heard
        raise AssertionError(f"No {kind} in {seconds:.0f} s, but {heard}")

    def close(self) -> None:
        """Cut the connection."""
        self.answer.close()
        self._connection.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
