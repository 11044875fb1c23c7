"""The whole system as people run it, and somebody at a browser before it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from celeriac.stack.valkey import Valkey
from tests.article.running import Program, Web, eventually, free_port
from tests.console.person import Person, open_browser


@dataclass(frozen=True)
class Shop:
    """A running shop: its web server, and the folder of its gates."""

    web: Web
    gates: Path
    env: dict[str, str]
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def gate(self) -> str:
        """Return the name of a gate that is closed."""
        return uuid.uuid4().hex

    def open_gate(self, name: str) -> None:
        """Let those who wait there go on."""
        (self.gates / name).touch()

    def submit(self, task: str, **arguments: object) -> str:
        """Submit a job and return its id."""
        answer = self.web("POST", f"/api/tasks/{task}", arguments)
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def reaches(self, id: str, state: str) -> None:
        """Wait until the job is in the state."""
        eventually(lambda: self.web("GET", f"/api/jobs/{id}").json["state"] == state, f"{state} of {id}")


@pytest.fixture(scope="package")
def shop(valkey: Valkey, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop under Gunicorn, with a worker for every queue but one."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "gates").mkdir()
    port = free_port()
    env = {
        "BROKER_URL": f"{valkey.url.removesuffix('/0')}/{next(_numbers)}",
        "SHOP_GATES": str(folder / "gates"),
        "CELERIAC_LOCAL": "1",
        "DATABASE_URL": f"sqlite:///{folder / 'history.db'}",
    }
    module = "tests.console.shop"
    web = Program(
        ["gunicorn", f"{module}:flask_app", "--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "16",
         "--no-control-socket"], folder / "web.log", env,
    )  # fmt: skip
    worker = Program(
        ["celery", "-A", module, "worker", "-Q", "celery,io", "-P", "threads", "-c", "8", "-n", "shop@test",
         "-l", "INFO"], folder / "worker.log", env,
    )  # fmt: skip
    try:
        made = Shop(Web(port), folder / "gates", env, folder)
        eventually(lambda: made.web.answers("/healthz"), "an answer of the shop")
        worker.says("shop@test ready")
        yield made
    finally:
        worker.stop()
        web.stop()


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
