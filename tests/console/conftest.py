"""The whole system as people run it, and somebody at a browser before it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from selenium.webdriver import Chrome

from celeriac import history
from celeriac.auth.caller import scopes_of
from celeriac.stack.valkey import Valkey
from tests.article.running import Program, Web, eventually, free_port
from tests.console.person import Person, open_browser
from tests.console.shop import make_app

MODULE = "tests.console.shop"


class Shop:
    """A running shop: Gunicorn on a port of its own, and what stands behind it."""

    def __init__(self, folder: Path, broker_url: str, **env: str) -> None:
        self.folder, self.gates = folder, folder / "gates"
        self.gates.mkdir(exist_ok=True)
        self.port = free_port()
        self.web = Web(self.port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "BROKER_URL": broker_url,
            "DATABASE_URL": f"sqlite:///{folder / 'history.db'}",
            "CELERIAC_HISTORY": "true",
            "SHOP_GATES": str(self.gates),
            **env,
        }
        self.app: Flask = make_app(**self.env)
        self._server: Program | None = None
        self._workers: list[Program] = []

    def open(self) -> None:
        """Start the server, and wait until it answers."""
        bind = f"127.0.0.1:{self.port}"
        self._server = Program(
            ["gunicorn", f"{MODULE}:flask_app", "--bind", bind, "-k", "gthread", "--threads", "16",
             "--no-control-socket", "--graceful-timeout", "5"], self.folder / "web.log", self.env,
        )  # fmt: skip
        eventually(lambda: self.web.answers("/healthz"), "an answer of the shop")

    def close(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.stop()
            self._server = None

    def end(self) -> None:
        """Stop the workers, and the server."""
        for worker in self._workers:
            worker.stop()
        self.close()

    def worker(self, name: str, *options: str) -> Program:
        """Return a worker that is ready; it ends with the shop, if not before."""
        command = ["celery", "-A", MODULE, "worker", "-n", f"{name}@test", "-l", "INFO", *options]
        started = Program(command, self.folder / f"{name}.log", self.env)
        self._workers.append(started)
        started.says(f"{name}@test ready")
        return started

    def token(self, owner: str, *scopes: str) -> str:
        """Return the text of a new token."""
        text, _ = self.app.extensions["celeriac"].api.tokens.create(owner, scopes_of(scopes))
        return str(text)

    def gate(self) -> str:
        """Return the name of a gate that is closed."""
        return uuid.uuid4().hex

    def open_gate(self, name: str) -> None:
        """Let those who wait there go on."""
        (self.gates / name).touch()

    def submit(self, task: str, queue: str = "", **arguments: object) -> str:
        """Submit a job and return its id."""
        whole = {"task": task, "arguments": arguments, **({"queue": queue} if queue else {})}
        answer = self.web("POST", "/api/jobs", whole)
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def reaches(self, id: str, state: str) -> None:
        """Wait until the job is in the state."""
        eventually(lambda: self.web("GET", f"/api/jobs/{id}").json["state"] == state, f"{state} of {id}")


@pytest.fixture(scope="package")
def shop(valkey: Valkey, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop in local development, with a worker for the queues `celery` and `io`."""
    broker_url = f"{valkey.url.removesuffix('/0')}/{next(_numbers)}"
    made = Shop(tmp_path_factory.mktemp("shop"), broker_url, CELERIAC_LOCAL="1")
    history.of(made.app).upgrade()
    made.open()
    try:
        made.worker("shop", "-Q", "celery,io", "-P", "threads", "-c", "8")
        yield made
    finally:
        made.end()


@pytest.fixture(scope="package")
def closed_shop(shop: Shop) -> Iterator[Shop]:
    """The same shop as in production: only for those who have a token."""
    made = Shop(shop.folder, shop.env["BROKER_URL"], CELERIAC_LOCAL="0")
    made.token("olga", "admin")  # without any token it would not start
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One headless Chromium for all."""
    made = open_browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.quit()


@pytest.fixture
def ann(shop: Shop, browser: Chrome) -> Iterator[Person]:
    """Ann at the shop's console; at the end her browser must have nothing to complain of."""
    person = Person(browser, shop.url)
    person.complaints()
    yield person
    assert person.complaints() == []
    browser.get("about:blank")


@pytest.fixture
def bob(closed_shop: Shop, browser: Chrome) -> Iterator[Person]:
    """Bob at the console of the shop that is closed; he is signed out at the end."""
    person = Person(browser, closed_shop.url)
    person.complaints()
    yield person
    assert person.complaints() == []
    browser.delete_all_cookies()
    browser.get("about:blank")
