"""Speaks SMTP and HTTP: a mail server and a payment service on this machine, which fail when they are told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

from aiosmtpd.controller import Controller

from celeriac.stack.valkey import free_port


@dataclass
class Mailbox:
    """What a mail server has taken; `answers` are its next words to RCPT, before it says yes."""

    answers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    asked: int = 0
    port: int = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        self.asked += 1
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(cast(EmailMessage, BytesParser(policy=default).parsebytes(envelope.content)))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Run a mail server."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    yield mailbox
    controller.stop()


@dataclass
class Ledger:
    """What a payment service was asked and has charged; `faults` are its next answers: a status, or "lost" for a
    charge whose answer does not arrive."""

    faults: list[int | str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)
    port: int = 0

    def answer(self, key: str, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Charge once for each key."""
        self.keys.append(key)
        fault = self.faults.pop(0) if self.faults else 200
        if isinstance(fault, int) and fault != 200:
            return fault, {}
        receipt = self.charges.setdefault(key, {"receipt": len(self.charges) + 1, **order})
        return (0 if fault == "lost" else 200), receipt


@contextmanager
def payment_service() -> Iterator[Ledger]:
    """Run a payment service."""
    ledger = Ledger()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, receipt = ledger.answer(self.headers["Idempotency-Key"], order)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(json.dumps(receipt).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ledger.port = server.server_port
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield ledger
    server.shutdown()
    thread.join()
    server.server_close()
