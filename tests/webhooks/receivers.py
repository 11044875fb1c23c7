"""Speaks HTTP as receivers of webhooks do: one that notes what came, and hostile ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Call:
    """One call that came: headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """Answers by `statuses` in turn, the last one for good."""

    port: int = 0
    statuses: list[int] = field(default_factory=lambda: [204])
    answer: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=jobs"


@contextmanager
def receiver(*statuses: int, **answer: str) -> Iterator[Receiver]:
    """Listen on a free port of this machine."""
    found = Receiver(statuses=list(statuses) or [204], answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.calls.append(Call(self.path, headers, body, time.time()))
            status = found.statuses.pop(0) if len(found.statuses) > 1 else found.statuses[0]
            self.send_response(status)
            for name, value in found.answer.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def hostile(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and do to each caller what `behave` does with its socket; gives the URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(caller: socket.socket) -> None:
        try:
            behave(caller)
        except OSError:
            pass  # the caller has gone
        finally:
            caller.close()

    def accept() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(caller,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()
