"""`flask jobs submit TASK name=@path` and `flask jobs result`: files go in and come out."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac.store.files import Files
from celeriac.worker.embedded import embedded_worker
from celeriac.worker.file import files_of
from tests.article.running import ROOT
from tests.cli.conftest import Run, runner
from tests.files.studio import LIMIT, make_app


@pytest.fixture(scope="module")
def app(valkey: Any, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The studio, whose jobs take and return files."""
    url = f"{valkey.url.removesuffix('/0')}/{next(_numbers)}"
    return make_app(BROKER_URL=url, CELERIAC_DATA=str(tmp_path_factory.mktemp("studio")))


@pytest.fixture(scope="module")
def studio(app: Flask) -> Iterator[Run]:
    """Its command line, with a worker at work."""
    with embedded_worker(app.extensions["celery"]):
        yield runner(app)


@pytest.fixture
def shelf(app: Flask) -> Files:
    """Where its files are."""
    return files_of(app.extensions["celery"].settings)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A file to send."""
    path = tmp_path / "note=1.txt"
    path.write_text("hello ü ")
    return path


def ended(studio: Run, *words: str) -> str:
    """Submit a job, wait for its end and return its id."""
    said = studio("submit", *words, "--wait", "--json")
    assert said.code == 0, said.err
    return str(said.json["id"])


def test_a_file_is_sent_by_its_path_and_what_came_of_it_is_written(
    studio: Run, shelf: Files, note: Path, tmp_path: Path
) -> None:
    id, output = ended(studio, "louder", f"text=@{note}", "times=2"), tmp_path / "loud.txt"

    said = studio("result", id, "--output", str(output))

    assert (said.code, output.read_text()) == (0, "HELLO ü HELLO ü ")
    assert said.out == f"{output}: {output.stat().st_size} bytes, text/plain\n"
    assert studio("result", id).out == output.read_text()
    told = studio("result", id, "-o", str(output), "--json").json
    assert told == {"output": str(output), "name": "LOUD.txt", "media_type": "text/plain", "size": 18}
    sent = shelf.find(studio("show", id, "--json").json["arguments"]["text"]["file"])
    assert (sent.name, sent.owner, sent.jobs) == ("note=1.txt", "", (id,))


def test_a_list_of_files_is_sent_one_by_one_and_text_that_begins_like_one_stays_text(studio: Run, note: Path) -> None:
    id = ended(studio, "keep", f"papers=@{note}", f"papers=@{note}", 'note={"a": "@b"}')

    arguments = studio("show", id, "--json").json["arguments"]
    assert [paper["name"] for paper in arguments["papers"]] == ["note=1.txt"] * 2
    assert json.loads(studio("result", id).out)["note"] == {"a": "@b"}
    said = ended(studio, "wrap", f"content=@{note}")
    assert studio("result", said).out == f"@{note}"


def test_json_is_printed_or_written_the_large_and_the_small(studio: Run, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    for items in (10, 5000):
        id = ended(studio, "much", f"items={items}")
        assert studio("result", id).json == list(range(items))
        assert "application/json" in studio("result", id, "--output", str(output)).out
        assert json.loads(output.read_text()) == list(range(items))


def test_another_file_is_sent_when_a_job_is_retried(studio: Run, note: Path, tmp_path: Path) -> None:
    id, other = ended(studio, "louder", f"text=@{note}"), tmp_path / "other.txt"
    other.write_text("bye")

    assert studio("retry", id, f"text=@{other}", "--wait").code == 0
    assert studio("result", id).out == "BYE"


@pytest.mark.parametrize(
    ("word", "code", "sentence"),
    [("@nowhere.txt", 2, "'nowhere.txt' cannot be read: No such file or directory."),
     ("@", 2, "cannot be read"), ("@/", 2, "cannot be read: Is a directory."),
     ("nowhere.txt", 2, "text Input should be an object")],
)  # fmt: skip
def test_what_is_no_file_is_refused_and_nothing_queued(studio: Run, word: str, code: int, sentence: str) -> None:
    said = studio("submit", "louder", f"text={word}")

    assert (said.code, said.out) == (code, "")
    assert sentence in said.err


def test_a_file_that_is_too_large_is_refused_and_not_kept(studio: Run, shelf: Files, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * (LIMIT + 1))
    before = len(list(shelf.folder.rglob("*")))

    said = studio("submit", "louder", f"text=@{large}")

    assert (said.code, f"more than {LIMIT} bytes" in said.err) == (2, True)
    assert len([path for path in shelf.folder.rglob("*") if path.is_file()]) <= before


def test_a_job_without_a_result_says_so(studio: Run, shelf: Files, note: Path, tmp_path: Path) -> None:
    waits = studio("submit", "much", "items=1", "--delay", "60").out.strip()
    assert (studio("result", waits).code, studio("result", "nobody").code) == (5, 4)
    id = ended(studio, "louder", f"text=@{note}")
    said = studio("result", id, "--output", str(tmp_path / "no" / "where"))
    assert (said.code, "cannot be written: No such file or directory." in said.err) == (2, True)
    shelf.remove(studio("show", id, "--json").json["result"]["file"])
    gone = studio("result", id)
    assert (gone.code, "is kept no more" in gone.err) == (4, True)


def test_the_file_of_another_job_is_not_fetched_by_naming_it(studio: Run, note: Path) -> None:
    id = ended(studio, "louder", f"text=@{note}")
    secret = studio("show", id, "--json").json["result"]
    forged = ended(studio, "say_again", f"value={json.dumps(secret)}")

    assert studio("result", forged).code == 4


def test_a_terminal_is_not_filled_with_the_bytes_of_a_file(app: Flask, studio: Run, note: Path) -> None:
    id = ended(studio, "louder", f"text=@{note}")
    names = ("BROKER_URL", "CELERIAC_DATA")
    env = {**os.environ, **{name: app.config[name] for name in names}, "CELERIAC_LOCAL": "1", "CELERIAC_HISTORY": "0"}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flask", "--app", "tests.files.studio:flask_app", "jobs", "result", id]
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(theirs)
    os.close(ours)

    assert (done.returncode, "Add --output FILE." in done.stderr) == (2, True)
