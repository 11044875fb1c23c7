"""Code of the article's shape, put in the place of ours, runs in this environment too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.article.conftest import Start
from tests.article.running import ROOT, Program, Web, eventually, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the article's own code and our two scripts."""
    folder = tmp_path_factory.mktemp("place") / "app"
    shutil.copytree(Path(__file__).parent / "same_shape", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "celery_worker.sh", folder)
    return folder


@pytest.fixture(scope="module")
def its_worker(start: Start, place: Path) -> Program:
    worker = start("./celery_worker.sh", "-c", "2", "-n", "shape@test", cwd=place)
    worker.says("shape@test ready")
    return worker


@pytest.fixture(scope="module")
def its_web(start: Start, place: Path) -> Web:
    port = free_port()
    start("python", "run.py", env={"PORT": str(port)}, cwd=place)
    web = Web(port)
    eventually(lambda: web.answers("/"), "an answer of run.py")
    return web


@pytest.mark.usefixtures("its_worker")
def test_its_jobs_are_submitted_done_and_shown(its_web: Web, its_worker: Program) -> None:
    added = its_web("POST", "/add", {"x": 1, "y": 2})
    long_one = its_web("GET", "/longtask")

    assert (added.status, long_one.status) == (202, 202)
    for submitted, result in ((added, 3), (long_one, "Task complete!")):
        # Its view reads the state up to four times, so an answer can mix two moments: ask until it does not.
        eventually(
            lambda path=f"/status/{submitted.json['task_id']}", done={"state": "SUCCESS", "result": result}: (
                its_web("GET", path).json == done
            ),
            f"the result {result!r}",
        )
    its_worker.says("Running step 2...")
