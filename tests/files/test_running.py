"""Files through the real parts: Gunicorn, workers of processes and of threads, and a sender who hangs up."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from celeriac.stack.valkey import Valkey
from celeriac.store.files import Files
from tests.article.running import Program, Web, eventually, free_port
from tests.files.studio import LIMIT

pytestmark = pytest.mark.slow
MODULE = "tests.files.studio"


@pytest.fixture(scope="module")
def web(valkey: Valkey, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The studio, open to this machine, with a worker of processes (`celery`) and one of threads (`io`)."""
    folder, port = tmp_path_factory.mktemp("running"), free_port()
    url = f"{valkey.url.removesuffix('/0')}/{next(_numbers)}"
    env = {"BROKER_URL": url, "CELERIAC_DATA": str(folder), "CELERIAC_LOCAL": "1"}
    bind = ["--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "8", "--no-control-socket"]
    programs = [Program(["gunicorn", f"{MODULE}:flask_app", *bind], folder / "web.log", env)]
    for queue, pool in (("celery", "prefork"), ("io", "threads")):
        worker = ["celery", "-A", MODULE, "worker", "-Q", queue, "-P", pool, "-c", "2", "-n", f"{pool}@test"]
        programs.append(Program([*worker, "-l", "INFO"], folder / f"{pool}.log", env))
    try:
        for program, pool in zip(programs[1:], ("prefork", "threads"), strict=True):
            program.says(f"{pool}@test ready")
        there = Web(port)
        eventually(lambda: there.answers("/healthz"), "an answer of the studio")
        yield there
    finally:
        for program in programs:
            program.stop()


@pytest.fixture
def shelf(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Where the studio's files are."""
    return Files(next(tmp_path_factory.getbasetemp().glob("running*")), LIMIT)


@pytest.mark.parametrize("queue", ["celery", "io"])
def test_a_file_goes_in_and_another_comes_out(web: Web, queue: str) -> None:
    sent = web("POST", "/api/files?name=a.txt", raw=b"hello" * 20_000, headers={"Content-Type": "text/plain"})
    whole = {"task": "louder", "arguments": {"text": sent.json["argument"]}, "queue": queue}
    job = web("POST", "/api/jobs", whole, headers={"Prefer": "wait=60"}).json

    assert (job["state"], job["result_file"]["size"]) == ("succeeded", 100_000)
    answer = web("GET", job["links"]["result"])
    assert answer.body == b"HELLO" * 20_000
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("queue", ["celery", "io"])
def test_a_result_too_large_for_redis_comes_out_of_every_pool(web: Web, queue: str) -> None:
    whole = {"task": "much", "arguments": {"items": 5000}, "queue": queue}
    job = web("POST", "/api/jobs", whole, headers={"Prefer": "wait=60"}).json

    assert (job["state"], job["result_file"]["name"]) == ("succeeded", "result.json")
    assert web("GET", job["links"]["result"]).json == list(range(5000))


@pytest.mark.parametrize(
    ("told", "sent"), [("Content-Length: 5000", "x" * 4000), ("Transfer-Encoding: chunked", "1000\r\n" + "x" * 4000)]
)
def test_a_sender_who_hangs_up_leaves_nothing(web: Web, shelf: Files, told: str, sent: str) -> None:
    before = sorted(shelf.folder.rglob("*"))
    head = f"POST /api/files HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        connection.sendall(f"{head}{told}\r\n\r\n{sent}".encode())
        eventually(lambda: [*shelf.folder.rglob("*.part")], "a file that is half there")

    eventually(lambda: not [*shelf.folder.rglob("*.part")], "its removal")
    assert [path for path in sorted(shelf.folder.rglob("*")) if path.is_file() and path not in before] == []


def test_a_sender_of_chunks_without_end_is_stopped_at_the_limit(web: Web, shelf: Files) -> None:
    head = f"POST /api/files HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
        connection.sendall(head + chunk * (2 * LIMIT // 0x10000))
        answer = connection.recv(100)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert not [*shelf.folder.rglob("*.part")]
