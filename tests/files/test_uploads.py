"""A file is sent over HTTP before the job that takes it; it is its sender's alone, and its name never a path."""

from __future__ import annotations

import io
from typing import Any
from unittest.mock import ANY as ANY_TEXT
from urllib.parse import quote

import pytest
from flask import Flask

from celeriac.api.file_shapes import SentFile
from celeriac.errors import StorageFull
from celeriac.store import record
from celeriac.store.files import ANY, Files
from celeriac.worker.process import space_of
from tests.api.served import Person
from tests.files.studio import LIMIT

pytestmark = pytest.mark.usefixtures("working")

TEXT = {"Content-Type": "text/plain"}
WAIT = {"Prefer": "wait=60"}  # what a job returns would be written into the folder of the next test


def send(who: Person, data: bytes = b"hello", name: str = "note.txt", headers: dict[str, str] | None = None) -> Any:
    """Send a file as the body itself."""
    return who("POST", f"/api/files?name={quote(name)}", data=data, headers=headers or TEXT)


def kept(shelf: Files) -> list[str]:
    """Return what is in the folder."""
    return [path.name for path in shelf.folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_file_is_sent_as_the_body_and_named_by_what_is_answered(ann: Person, shelf: Files) -> None:
    answer = send(ann)

    assert answer.status_code == 201
    told = SentFile.model_validate(answer.json)
    assert (told.name, told.media_type, told.size) == ("note.txt", "text/plain", 5)
    assert told.argument.file == told.id
    assert answer.headers["Location"] == told.links["self"] == f"/api/files/{told.id}"
    assert (shelf.find(told.id).owner, shelf.path(told.id).read_bytes()) == ("ann", b"hello")
    assert ann("GET", told.links["self"]).data == b"hello"


def test_a_file_is_sent_by_a_form(ann: Person, shelf: Files) -> None:
    answer = ann("POST", "/api/files", data={"file": (io.BytesIO(b"\x89PNG"), "../a.png")})

    assert answer.status_code == 201
    assert (answer.json["name"], answer.json["media_type"], answer.json["size"]) == ("a.png", "image/png", 4)


@pytest.mark.parametrize(
    ("headers", "name", "kind"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, "a.pdf", "application/pdf"),  # what curl sends
        ({}, "a.csv", "text/csv"),
        ({"Content-Type": "image/png"}, "a.pdf", "image/png"),
        ({"Content-Type": "nonsense"}, "", ANY),
        ({"Content-Type": "text/plain; charset=utf-8"}, "", "text/plain; charset=utf-8"),
    ],
)
def test_the_type_is_what_was_told_else_that_of_the_name(
    ann: Person, headers: dict[str, str], name: str, kind: str
) -> None:
    answer = ann("POST", f"/api/files?name={name}", data=b"a=b", headers=headers)

    assert answer.json["media_type"] == kind


def test_a_job_takes_what_was_sent_and_its_result_is_fetched(ann: Person, shelf: Files) -> None:
    argument = send(ann).json["argument"]
    answer = ann("POST", "/api/tasks/louder", {"text": argument, "times": 2}, headers={"Prefer": "wait=60"})

    assert answer.json["state"] == "succeeded", answer.json
    assert answer.json["result_file"] == {"name": "LOUD.txt", "media_type": "text/plain", "size": 10}
    assert ann("GET", answer.json["links"]["result"]).data == b"HELLOHELLO"
    assert shelf.find(argument["file"]).jobs == (answer.json["id"],)
    taken = ann("GET", f"/api/jobs/{answer.json['id']}/files/{argument['file']}")
    assert (taken.status_code, taken.data) == (200, b"hello")


def test_the_schema_of_an_argument_says_what_to_give(ann: Person) -> None:
    schema = ann("GET", "/api/tasks/louder").json["schema"]

    file = next(one for one in schema["$defs"].values() if one["title"] == "File")
    assert file["x-celeriac-file"] is True
    assert "POST /api/files" in file["properties"]["file"]["description"]
    assert file["required"] == ["file"]


def test_another_owners_file_is_refused_like_one_that_is_not_there(ann: Person, bob: Person, olga: Person) -> None:
    id, nobody = send(ann).json["id"], "0" * 32
    refusals = [bob("POST", "/api/tasks/louder", {"text": {"file": one}}) for one in (id, nobody)]

    assert [one.status_code for one in refusals] == [422, 422]
    assert refusals[0].json["errors"] == [
        {"pointer": "/text", "detail": refusals[1].json["errors"][0]["detail"].replace(nobody, id)}
    ]
    assert [bob("GET", f"/api/files/{one}").status_code for one in (id, nobody)] == [404, 404]
    assert bob("POST", "/api/jobs", {"task": "louder", "arguments": {"text": {"file": id}}}).status_code == 422
    assert olga("POST", "/api/tasks/louder", {"text": {"file": id}}, headers=WAIT).json["state"] == "succeeded"
    assert olga("GET", f"/api/files/{id}").data == b"hello"


def test_who_has_no_token_or_not_the_scope_neither_sends_nor_fetches(
    studio: Flask, ann: Person, stranger: Person, shelf: Files
) -> None:
    id = send(ann).json["id"]
    before = kept(shelf)

    assert (send(stranger).status_code, stranger("GET", f"/api/files/{id}").status_code) == (401, 401)
    assert send(Person(studio, "ann", "read")).status_code == 403
    assert Person(studio, "ann", "submit")("GET", f"/api/files/{id}").status_code == 403
    assert kept(shelf) == before


def test_a_file_is_taken_back_until_a_job_took_it(studio: Flask, ann: Person, bob: Person, shelf: Files) -> None:
    mine, taken = send(ann).json["id"], send(ann).json["id"]
    job = {"task": "louder", "arguments": {"text": {"file": taken}}, "delay": 3600}
    assert ann("POST", "/api/jobs", job).status_code == 202

    assert bob("DELETE", f"/api/files/{mine}").json == {
        **bob("DELETE", f"/api/files/{'0' * 32}").json, "detail": f"No file has the id '{mine}'.",
        "instance": f"/api/files/{mine}", "request_id": ANY_TEXT,
    }  # fmt: skip
    assert Person(studio, "ann", "read")("DELETE", f"/api/files/{mine}").status_code == 403
    assert ann("DELETE", f"/api/files/{mine}").status_code == 204
    assert [ann(method, f"/api/files/{mine}").status_code for method in ("GET", "DELETE")] == [404, 404]
    assert ann("POST", "/api/tasks/louder", {"text": {"file": mine}}).status_code == 422
    refused = ann("DELETE", f"/api/files/{taken}")
    assert (refused.status_code, refused.json["detail"]) == (409, f"A job took the file {taken}.")
    assert {name.partition(".")[0] for name in kept(shelf)} == {taken}


def test_retried_with_another_file_the_job_keeps_it_and_anothers_is_refused(
    studio: Flask, ann: Person, bob: Person, shelf: Files
) -> None:
    mine, other, his = send(ann).json["id"], send(ann).json["id"], send(bob).json["id"]
    whole = {"task": "louder", "arguments": {"text": {"file": mine}}, "delay": 3600}
    id = ann("POST", "/api/jobs", whole).json["id"]
    ann("POST", f"/api/jobs/{id}/cancel")

    refused = ann("POST", f"/api/jobs/{id}/retry", {"arguments": {"text": {"file": his}}})
    taken = ann("POST", f"/api/jobs/{id}/retry", {"arguments": {"text": {"file": other}}})

    assert (refused.status_code, taken.status_code) == (422, 202)
    assert (shelf.find(other).jobs, shelf.find(his).jobs) == ((id,), ())
    celery = studio.extensions["celery"]
    assert record.read(celery.client, space_of(celery), id).kwargs == {"text": {"file": other}}
    assert ann("GET", f"/api/jobs/{id}", headers=WAIT).json["state"] == "succeeded"


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * 10])
def test_more_than_the_limit_is_refused_and_leaves_nothing(ann: Person, shelf: Files, size: int) -> None:
    answers = [
        send(ann, b"x" * size),
        ann("POST", "/api/files", data={"file": (io.BytesIO(b"x" * size), "x")}),
        ann("POST", "/api/files", input_stream=io.BytesIO(b"x" * size), environ_overrides={"wsgi.input_terminated": 1}),
    ]

    assert [answer.status_code for answer in answers] == [413] * 3
    assert {answer.json["detail"] for answer in answers} == {f"The file has more than {LIMIT} bytes."}
    assert not kept(shelf)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_whatever_is_within_the_limit_is_taken(ann: Person, size: int) -> None:
    assert send(ann, b"x" * size).json["size"] == size
    assert ann("POST", "/api/files", data={"file": (io.BytesIO(b"x" * size), "x")}).json["size"] == size


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello'
FORMS = [
    pytest.param(b"", BOUNDARY, id="empty"),
    pytest.param(b"hello", BOUNDARY, id="no form"),
    pytest.param(PART, BOUNDARY, id="unfinished"),
    pytest.param(PART + b"\r\n--b--", {"Content-Type": "multipart/form-data"}, id="no boundary"),
    pytest.param(PART.replace(b'"file"', b'"other"') + b"\r\n--b--", BOUNDARY, id="another name"),
    pytest.param(PART.replace(b'; filename="a"', b"") + b"\r\n--b--", BOUNDARY, id="a field, no file"),
    pytest.param(PART + b"\r\n" + PART + b"\r\n--b--", BOUNDARY, id="two files"),
    pytest.param((PART + b"\r\n").replace(b'"file"', b'"x"') * 50 + b"--b--", BOUNDARY, id="many"),
]


@pytest.mark.parametrize(("body", "headers"), FORMS)
def test_a_form_that_does_not_hold_one_file_is_refused(
    ann: Person, shelf: Files, body: bytes, headers: dict[str, str]
) -> None:
    answer = ann("POST", "/api/files", data=body, headers=headers)

    assert answer.status_code in (400, 413)
    assert answer.mimetype == "application/problem+json"
    assert not kept(shelf)


def test_what_is_not_sent_to_its_end_is_not_kept(ann: Person, shelf: Files) -> None:
    for headers in (TEXT, BOUNDARY):
        answer = ann("POST", "/api/files", data=PART, headers=headers, environ_overrides={"CONTENT_LENGTH": "5000"})
        assert answer.status_code == 400
    assert not kept(shelf)


NAMES = [
    "../../etc/passwd", "C:\\Windows\\x.exe", "a\x00b", "x" * 300, "<script>alert(1)</script>", "a\r\nSet-Cookie: x",
    '"; filename="evil.html', "\u202egpj.exe", "\u65e5\u672c\u8a9e.zip", "..", "/", "%2e%2e%2fetc", "\ufffd",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_only_remembered_and_told_safely(ann: Person, shelf: Files, name: str) -> None:
    answer = send(ann, b"x", name, {"Content-Type": ANY})
    fetched = ann("GET", answer.json["links"]["self"])

    assert {one.partition(".")[0] for one in kept(shelf)} == {answer.json["id"]}
    told = answer.json["name"]
    assert len(told) <= 200
    assert told.isprintable()
    assert not set(told) & {"/", "\\"}
    disposition = fetched.headers["Content-Disposition"]
    assert fetched.status_code == 200
    assert disposition.startswith("attachment; filename=")
    assert disposition.isprintable()
    assert "Set-Cookie" not in fetched.headers
    assert disposition.replace('\\"', "").count('"') in (0, 2)  # what stands in the name ends nothing


def test_a_full_disk_is_said_and_nothing_is_kept(shelf: Files) -> None:
    with pytest.raises(StorageFull):
        Files(shelf.folder.parent, 100, reserve=1 << 60).save(b"x")
    assert not kept(shelf)


@pytest.mark.parametrize("id", ["0" * 32, "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "x" * 300, "A" * 32, "%00"])
def test_an_id_that_is_none_is_not_found(olga: Person, id: str) -> None:
    assert olga("GET", f"/api/files/{id}").status_code == 404
