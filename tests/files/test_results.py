"""What came of a job is fetched: JSON or a file, whole or in part, and no browser takes it for a page of ours."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from celeriac.store.files import Files
from tests.api.served import Person
from tests.files.test_uploads import send

pytestmark = pytest.mark.usefixtures("working")
WAIT = {"Prefer": "wait=60"}


def done(who: Person, task: str, **arguments: Any) -> Any:
    """Return a job that has ended."""
    answer = who("POST", f"/api/tasks/{task}", arguments, headers=WAIT)
    assert answer.status_code == 200, answer.json
    return answer.json


def wrapped(who: Person, content: str = "0123456789", name: str = "a.txt", media_type: str = "") -> str:
    """Return the address of a result that is a file."""
    address: str = done(who, "wrap", content=content, name=name, media_type=media_type)["links"]["result"]
    return address


def test_a_file_has_a_version_and_comes_whole_in_part_or_not_at_all(ann: Person) -> None:
    address = wrapped(ann)
    whole = ann("GET", address)
    tag = whole.headers["ETag"]

    assert (whole.status_code, whole.data, whole.mimetype) == (200, b"0123456789", "text/plain")
    assert whole.headers["Content-Length"] == "10"
    assert whole.headers["Cache-Control"] == "private, no-cache"
    same = ann("GET", address, headers={"If-None-Match": tag})
    assert (same.status_code, same.data) == (304, b"")
    part = ann("GET", address, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.data, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert ann("GET", address, headers={"Range": "bytes=2-4", "If-Range": '"other"'}).data == b"0123456789"
    beyond = ann("GET", address, headers={"Range": "bytes=20-"})
    assert (beyond.status_code, beyond.mimetype) == (416, "application/problem+json")
    head = ann("HEAD", address)
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", "10")


@pytest.mark.parametrize(
    ("media_type", "told", "shown"),
    [
        ("image/png", "image/png", True),
        ("image/JPEG", "image/jpeg", True),
        ("text/plain; charset=latin-1", "text/plain", True),
        ("video/mp4", "video/mp4", True),
        ("image/svg+xml", "image/svg+xml", False),
        ("text/html", "text/html", False),
        ("TEXT/HTML; charset=utf-8", "text/html", False),
        ("application/xhtml+xml", "application/xhtml+xml", False),
        ("text/xml", "text/xml", False),
        ("application/pdf", "application/pdf", False),
        ("text/javascript", "text/plain", False),
        ("application/javascript", "text/plain", False),
        ("Application/X-ECMAScript", "text/plain", False),
        ("text/css", "text/plain", False),
        ("image/png, text/html", "application/octet-stream", False),
        ("", "application/octet-stream", False),
    ],
)
def test_what_a_browser_could_run_is_to_be_saved(ann: Person, media_type: str, told: str, shown: bool) -> None:
    answer = ann("GET", wrapped(ann, "<script>alert(1)</script>", "a", media_type))

    assert answer.mimetype == told
    assert answer.headers["Content-Disposition"].startswith("inline" if shown else "attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy.split("; ")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_json_is_answered_as_json(ann: Person) -> None:
    job = done(ann, "say_again", value={"a": [1, None]})

    answer = ann("GET", f"/api/jobs/{job['id']}/result")

    assert (answer.json, answer.mimetype, job["result_file"]) == ({"a": [1, None]}, "application/json", None)
    assert ann("GET", f"/api/jobs/{job['id']}/result", headers={"If-None-Match": answer.headers["ETag"]}).data == b""


def test_several_files_are_fetched_one_by_one(ann: Person, bob: Person) -> None:
    sent = send(ann).json["argument"]
    job = done(ann, "keep", papers=[sent], note={"file": "report.pdf"})
    base = f"/api/jobs/{job['id']}/files"

    assert job["result"]["note"] == {"file": "report.pdf"}
    assert ann("GET", f"{base}/{job['result']['first']['file']}").data == b"hello"
    assert ann("GET", f"{base}/{job['result']['made'][0]['file']}").data == b"{}"
    for wrong in ("report.pdf", "0" * 32, send(ann).json["id"]):
        assert ann("GET", f"{base}/{wrong}").status_code in (404, 410)
    assert bob("GET", f"{base}/{sent['file']}").status_code == 404


def test_writing_the_id_of_anothers_file_gives_nothing(ann: Person, bob: Person) -> None:
    his = send(bob).json
    full = {"file": his["id"], "name": "a", "media_type": "text/plain", "size": 5}
    job = done(ann, "say_again", value=full)
    noted = done(ann, "keep", papers=[send(ann).json["argument"]], note=full)

    assert ann("GET", f"/api/jobs/{job['id']}/result").status_code == 410
    for one in (job, noted):
        assert ann("GET", f"/api/jobs/{one['id']}/files/{his['id']}").status_code == 410


def test_two_owners_and_strangers(ann: Person, bob: Person, olga: Person, stranger: Person) -> None:
    address = wrapped(ann)

    assert [who("GET", address).status_code for who in (ann, bob, olga, stranger)] == [200, 404, 200, 401]


def test_a_signed_link_opens_the_result_and_not_the_arguments(ann: Person, stranger: Person) -> None:
    argument = send(ann).json["argument"]
    job = done(ann, "louder", text=argument)
    key = ann("POST", f"/api/jobs/{job['id']}/links", {}).json["key"]

    def open_by_link(path: str) -> Any:
        return stranger("GET", f"/api/jobs/{job['id']}{path}?key={key}")

    assert open_by_link("/result").data == b"HELLO"
    assert open_by_link(f"/files/{job['result']['file']}").data == b"HELLO"
    assert open_by_link(f"/files/{argument['file']}").status_code == 404
    assert open_by_link("/result").headers["Referrer-Policy"] == "no-referrer"
    other = wrapped(ann)
    assert stranger("GET", f"{other}?key={key}").status_code == 401


def test_what_is_not_there_is_said_as_it_is(studio: Flask, ann: Person, shelf: Files) -> None:
    job = done(ann, "wrap", content="x")
    address = job["links"]["result"]
    failed = done(ann, "louder", text=send(ann, b"x" * 150_000).json["argument"], times=2)
    shelf.remove(job["result"]["file"])

    assert ann("GET", address).status_code == 410
    assert failed["state"] == "failed"
    assert failed["error"]["type"] == "TooLarge"
    assert ann("GET", f"/api/jobs/{failed['id']}/result").status_code == 409
    assert ann("GET", "/api/jobs/none/result").status_code == 404
    ann("DELETE", f"/api/jobs/{job['id']}")
    assert ann("GET", address).status_code == 410
