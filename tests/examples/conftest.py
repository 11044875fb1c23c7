"""The examples' app with its worker, and the servers it calls, once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac.stack.valkey import Valkey
from examples import create_app
from tests.article.running import Program, eventually
from tests.examples.services import Ledger, Mailbox, mail_server, payment_service

Do = Callable[..., dict[str, Any]]
OVER = ("succeeded", "failed", "cancelled", "lost")


@pytest.fixture(scope="session")
def _mail_server() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="session")
def _payment_service() -> Iterator[Ledger]:
    with payment_service() as ledger:
        yield ledger


@pytest.fixture
def mailbox(_mail_server: Mailbox) -> Mailbox:
    """A mail server that has taken nothing yet."""
    _mail_server.answers, _mail_server.mails, _mail_server.asked = [], [], 0
    return _mail_server


@pytest.fixture
def ledger(_payment_service: Ledger) -> Ledger:
    """A payment service that has charged nothing yet."""
    _payment_service.faults, _payment_service.keys, _payment_service.charges = [], [], {}
    return _payment_service


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of pictures."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="session")
def shop(
    valkey: Valkey,
    _numbers: Iterator[int],
    _mail_server: Mailbox,
    _payment_service: Ledger,
    images: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    """The app, with a worker that does its jobs."""
    url = valkey.url.removesuffix("/0") + f"/{next(_numbers)}"
    env = {
        "BROKER_URL": url,
        "EXAMPLES_MAIL_SERVER": "127.0.0.1",
        "EXAMPLES_MAIL_PORT": str(_mail_server.port),
        "EXAMPLES_IMAGES": str(images),
        "EXAMPLES_PAYMENTS_URL": f"http://127.0.0.1:{_payment_service.port}/charges",
    }
    command = ("celery", "-A", "examples", "worker", "-P", "threads", "-c", "4", "-n", "shop@test")
    worker = Program([*command, "-l", "info"], tmp_path_factory.mktemp("log") / "worker.log", env)
    try:
        worker.says("ready.")
        yield create_app(BROKER_URL=url, CELERIAC_LOCAL=True)
    finally:
        worker.stop()


@pytest.fixture
def do(shop: Flask) -> Do:
    """Submit a job over HTTP and return it when it has ended: `do("charge", order="A1", cents=500)`."""
    client = shop.test_client()

    def do(task: str, **arguments: Any) -> dict[str, Any]:
        answer = client.post(f"/api/tasks/{task}", json=arguments)
        assert answer.status_code == 202, answer.get_data(as_text=True)

        def ended() -> dict[str, Any] | None:
            job = client.get(f"/api/jobs/{answer.json['id']}", headers={"Prefer": "wait=10"}).json
            return job if job["state"] in OVER else None

        found = eventually(ended, f"the end of {task}")
        assert found
        return found

    return do
