"""docs/tutorial.md and docs/howto-existing-app.md, done step by step as they say."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.article.running import ROOT, Program, Web, eventually, free_port

pytestmark = pytest.mark.slow

TUTORIAL = ROOT / "docs" / "tutorial.md"
HOWTO = ROOT / "docs" / "howto-existing-app.md"


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of every block of the page."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.S | re.M)


def fits(shown: Any, real: Any) -> bool:
    """Whether what is shown is so: keys that are left out and parts written as … are not compared."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and all(key in real and fits(value, real[key]) for key, value in shown.items())
    if isinstance(shown, list):
        return isinstance(real, list) and len(shown) == len(real) and all(map(fits, shown, real))
    if isinstance(shown, str) and "…" in shown:
        return re.fullmatch(re.escape(shown).replace("…", ".*"), str(real)) is not None
    return bool(shown == real)


class Reader:
    """Somebody who does what the page says, with `up` in another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.job_id = folder, free_port(), ""
        self.up: Program | None = None

    def start(self) -> None:
        """Start `up`, or stop it and start it again."""
        self.stop()
        command = [sys.executable, "-m", "celeriac.stack", "--no-flower", "--port", str(self.port)]
        self.up = Program(command, self.folder / "up.log", {}, self.folder)
        self.log_from = len(self.up.output)
        eventually(lambda: "All parts are up" in self.up_said(), "`up`", 120)

    def up_said(self) -> str:
        assert self.up is not None
        return self.up.output[self.log_from :]

    def stop(self) -> None:
        if self.up is not None:
            self.up.stop()

    def curl(self, line: str) -> Any:
        """Send a request as the page does; remember the job that is answered."""
        words = shlex.split(line.replace("$JOB_ID", self.job_id).replace(":5000", f":{self.port}"))
        said = subprocess.run([*words, "-sS", "--max-time", "60"], capture_output=True, check=True, text=True).stdout
        answer = json.loads(said)
        self.job_id = answer.get("id", self.job_id)
        return answer


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with a clone of their own."""
    for name in ("backend", "config.py", "run.py"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    person = Reader(tmp_path)
    yield person
    person.stop()


def test_the_tutorial_can_be_followed_word_by_word(reader: Reader) -> None:
    reader.start()
    answer: Any = None
    for language, text in blocks(TUTORIAL):
        if language == "bash" and text.startswith("curl"):
            answer = reader.curl(text)
        elif language == "json":
            shown = json.loads(text.replace("$JOB_ID", reader.job_id))
            assert fits(shown, answer), f"{text}\nis not what was answered:\n{json.dumps(answer, indent=1)}"
        elif language == "python":
            tasks = reader.folder / "backend" / "tasks.py"
            tasks.write_text(f"{tasks.read_text()}\n{text}")
            reader.start()


def test_an_app_that_exists_has_jobs_after_the_how_to(broker_url: str, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for language, text in blocks(HOWTO):
        if language == "python":
            name = re.match(r"# (shop/\w+\.py)\n", text)
            assert name, "every block says which file it is"
            (tmp_path / name[1]).write_text(text)
    port = free_port()
    env = {"BROKER_URL": broker_url, "SECRET_KEY": "1c8f6a92d3e45b70a9c1e2f3d4b5c6a7", "PYTHONPATH": str(tmp_path)}
    [made] = [line for _, text in blocks(HOWTO) for line in text.splitlines() if "token create" in line]
    [served] = [line for _, text in blocks(HOWTO) for line in text.splitlines() if line.startswith("$ gunicorn")]
    said = Program([*shlex.split(made)[1:], "--json"], tmp_path / "token.log", env, tmp_path)
    assert said.process.wait(60) == 0, said.output
    token = json.loads(said.output)["token"]
    web = Program([*shlex.split(served)[1:], "--bind", f"127.0.0.1:{port}"], tmp_path / "web.log", env, tmp_path)
    worker = Program(["celery", "-A", "shop", "worker", "-P", "threads", "-c", "2"], tmp_path / "w.log", env, tmp_path)
    try:
        ask, mine = Web(port), {"Authorization": f"Bearer {token}", "Prefer": "wait=60"}
        eventually(lambda: ask.answers("/healthz"), "an answer of the shop")
        assert ask("POST", "/orders/7/invoice").status == 401
        address = ask("POST", "/orders/7/invoice", headers=mine).json["job"]
        assert ask("GET", address, headers=mine).json["result"] == "invoice-7.pdf"
        by_name = ask("POST", "/api/tasks/make_invoice", {"order": 8, "copies": 2}, headers=mine)
        assert (by_name.status, by_name.json["result"], by_name.json["owner"]) == (200, "invoice-8.pdf", "shop")
    finally:
        worker.stop()
        web.stop()
