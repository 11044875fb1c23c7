"""A job takes and returns files: the bytes stay on the disk, under names of our own, as long as the job."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac import Celeriac, actions, job
from celeriac.errors import ConfigError, InvalidArguments, TooLarge, UnknownFile
from celeriac.registry.file import references
from celeriac.store import record
from celeriac.store.files import ANY, Files, clean_name, clean_type
from celeriac.worker.file import File, files
from celeriac.worker.process import space_of

WAIT = 60


@job
def shout(text: File, times: int = 1) -> File:
    """Return a file in upper case."""
    assert text.media_type == "text/plain"
    return File(text.read().upper() * times, name="LOUD.txt")


@job
def several(paths: list[File]) -> dict[str, Any]:
    """Return files in a dict, one of them as it came."""
    return {
        "first": paths[0],
        "sizes": [path.path.stat().st_size for path in paths],
        "made": [File(b"{}", name="x.json")],
    }


@job
def too_much() -> File:
    """Return more than may be kept."""
    return File(b"x" * 5000)


@pytest.fixture
def app(broker_url: str, tmp_path: Path) -> Flask:
    flask = Flask("files")
    flask.config.update(BROKER_URL=broker_url, CELERIAC_DATA=str(tmp_path), CELERIAC_FILE_LIMIT=4096)
    Celeriac(flask)
    return flask


@pytest.fixture
def where(tmp_path: Path) -> Files:
    return Files(tmp_path, 4096)


def test_a_file_goes_in_and_another_comes_out(app: Flask, celery: Any, where: Files, worker: None) -> None:
    sent = where.save(io.BytesIO(b"hello"), "note.txt", "text/plain", "alice")
    context = app.extensions["celeriac"].context
    id = actions.submit(context, "shout", {"text": {"file": sent.id}, "times": 2}, headers={"celeriac_owner": "alice"})
    told = celery.AsyncResult(id).get(WAIT)

    assert told | {"file": ""} == {"file": "", "name": "LOUD.txt", "media_type": "text/plain", "size": 10}
    with where.open(told["file"]) as stream:
        assert stream.read() == b"HELLOHELLO"
    assert where.find(sent.id).jobs == (id,)
    assert (where.find(told["file"]).jobs, where.find(told["file"]).owner) == ((id,), "alice")
    raw = json.dumps(
        [str(celery.client.hgetall(f"celeriac:job:{id}")), str(celery.client.get(f"celery-task-meta-{id}"))]
    )
    assert "HELLO" not in raw


def test_python_submits_files_too_and_gets_several_back(app: Flask, celery: Any, where: Files, worker: None) -> None:
    with app.app_context():
        told = several.delay([File(b"one", name="1.txt"), File(b"three")]).get(WAIT)

    assert told["sizes"] == [3, 5]
    assert where.find(told["first"]["file"]).name == "1.txt"
    assert where.find(told["made"][0]["file"]).media_type == "application/json"


def test_a_file_that_is_not_there_is_a_fault_of_its_argument(app: Flask, celery: Any) -> None:
    context = app.extensions["celeriac"].context
    with app.app_context():
        for wrong in ("0" * 32, "../../etc/passwd", "", "Z" * 32, 5, None):
            with pytest.raises(InvalidArguments) as told:
                actions.submit(context, "shout", {"text": {"file": wrong}})
            assert told.value.errors[0]["pointer"].startswith("/text")
        with pytest.raises(InvalidArguments):
            actions.submit(context, "shout", {"text": "/etc/passwd"})
        with pytest.raises(InvalidArguments):
            actions.submit(context, "shout", {"text": {"file": "0" * 32, "path": "/etc/passwd"}})
    with pytest.raises(UnknownFile):
        shout.delay({"file": "0" * 32})
    assert not celery.client.exists("celery")


def test_a_result_over_the_limit_is_a_failure_and_leaves_nothing(celery: Any, where: Files, worker: None) -> None:
    result = too_much.delay()
    result.get(WAIT, propagate=False)

    found = record.read(celery.client, space_of(celery), result.id)
    assert found.error
    assert found.error["type"] == "TooLarge"
    assert not [path for path in where.folder.rglob("*") if path.is_file()]


def test_the_schema_says_that_it_is_a_file(app: Flask) -> None:
    spec = app.extensions["celeriac"].context.jobs.find("shout")

    assert "x-celeriac-file" in json.dumps(spec.schema)


PATHS = ["", "..", "../" * 10 + "etc/passwd", "/etc/passwd", "a" * 31, "A" * 32, "a" * 32 + "\n", "a" * 30 + "/.",
         "\x00" * 32]  # fmt: skip


@pytest.mark.parametrize("id", PATHS)
def test_no_word_of_a_caller_becomes_a_path(where: Files, id: str) -> None:
    for ask in (where.find, where.open, where.path, where.remove):
        with pytest.raises(UnknownFile):
            ask(id)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("../../evil.sh", "evil.sh"), ("C:\\x\\y.txt", "y.txt"), ("a\r\nb", "ab"), ("x" * 500, "x" * 200), ("", "")],
)
def test_names_are_only_remembered(where: Files, given: str, kept: str) -> None:
    file = where.save(b"", given)

    assert file.name == clean_name(given) == kept
    assert {path.stem for path in where.folder.rglob("*") if path.is_file()} == {file.id}


@pytest.mark.parametrize("given", ["text/html\r\nX: y", "nonsense", "", "a/b; q=1", "text/plain; charset=utf-8"])
def test_a_media_type_is_one_or_none(given: str) -> None:
    assert clean_type(given) == (given if given == "text/plain; charset=utf-8" else ANY)


def test_files_are_for_their_owner_alone_and_appear_whole(where: Files) -> None:
    kept = where.save(io.BytesIO(b"x" * 4096))

    assert where.path(kept.id).stat().st_mode & 0o777 == 0o600
    with pytest.raises(TooLarge):
        where.save(io.BytesIO(b"x" * 4097))
    with pytest.raises(RuntimeError):
        where.save(Breaking())  # type: ignore[arg-type]
    assert len([path for path in where.folder.rglob("*") if path.is_file()]) == 2


def test_a_file_is_removed_when_its_last_job_is_forgotten(where: Files) -> None:
    ids = [where.save(b"", jobs=jobs).id for jobs in (["a"], ["a", "b"], ["b"], [])]
    fresh = where.save(b"").id
    for id in ids:
        os.utime(where._place(id).with_suffix(".json"), (0, time.time() - 7200))
    half = where.folder / "aa" / f"{'a' * 32}.part"
    half.parent.mkdir(exist_ok=True)
    half.touch()
    os.utime(half, (0, 0))

    assert where.sweep(lambda jobs: {"a"} & set(jobs), 3600) == 2
    assert where.find(ids[1])
    assert where.find(ids[2])
    assert where.find(fresh)
    for id in (ids[0], ids[3]):
        with pytest.raises(UnknownFile):
            where.find(id)
    assert not half.exists()


def test_a_file_is_made_of_bytes_or_of_a_path(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with app.app_context():
        file = File(path=tmp_path / "a.pdf")
        assert (file.read(), file.name, file.media_type) == (b"%PDF", "a.pdf", "application/pdf")
        assert file.path.read_bytes() == b"%PDF"
        assert files().find(file.id).size == 4
    for wrong in ({}, {"data": b"", "path": "x"}):
        with pytest.raises(ConfigError):
            File(**wrong)  # type: ignore[arg-type]


def test_references_are_found_wherever_they_are() -> None:
    assert references({"a": [{"file": "1"}, {"b": {"file": "2", "name": "x"}}], "file": {"file": "3"}}) == [
        "1",
        "2",
        "3",
    ]
    assert references({"file": "x", "other": 1}) == []


class Breaking(io.RawIOBase):
    """A stream that breaks in the middle."""

    def read(self, size: int = -1) -> bytes:
        raise RuntimeError("the connection broke")
