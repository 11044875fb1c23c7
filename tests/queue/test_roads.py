"""Every road to the broker carries jobs: TCP, unix socket, TLS, Sentinel, a prefixed database; priorities hold."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from celeriac.stack.valkey import Valkey, find_binary, free_port
from tests.article.running import ROOT, eventually
from tests.crash import app as jobs
from tests.crash.harness import Worker

pytestmark = pytest.mark.slow


class Road:
    """Workers and a producer that reach the broker by one URL."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, list[Worker]()

    def carries_a_job(self, url: str, **settings: str) -> dict[str, str]:
        """Start a worker, run a job at once and one later, cancel a third; return the environment."""
        # the `celery` command reads RESULT_BACKEND by itself: it must not replace our backend
        env = {"BROKER_URL": url, "RESULT_BACKEND": url, "CRASH_LEDGER": str(self.folder / "ledger")}
        env |= {f"CELERIAC_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "celery", "-A", "tests.crash.app", "worker", "-P", "threads", "-c", "2"]
        worker = Worker([*command, "-n", f"road{len(self.made)}@test", "-l", "INFO"], env, self.folder / "log")
        self.made.append(worker)
        worker.says(f"road{len(self.made) - 1}@test ready")
        found = {f"CELERIAC_{name.upper()}": value for name, value in settings.items()}
        celery = jobs.create(BROKER_URL=url, **found).extensions["celery"]
        note = celery.tasks["tests.crash.app.note"]
        result = note.delay("now")
        assert result.get(timeout=30) == "now"
        record = f"{settings.get('key_prefix', '')}celeriac:job:{result.id}"  # closed by our backend, not by Celery's
        assert celery.client.hget(record, "state") == b"succeeded"
        assert note.apply_async(("later",), countdown=0.3).get(timeout=30) == "later"
        assert [
            f"road{len(self.made) - 1}@test" in reply
            for reply in celery.control.broadcast("ping", reply=True, limit=1, timeout=10)
        ] == [True]
        celery.close()
        return env


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    found = Road(tmp_path)
    yield found
    for worker in found.made:
        worker.end()


def test_a_unix_socket_carries_jobs(road: Road, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "valkey.sock"  # a socket's path has at most 107 characters
    server = Valkey(tmp_path_factory.mktemp("unix"), config=[f"unixsocket {path}"]).start()
    try:
        road.carries_a_job(f"redis+socket://:{server.password}@{path}?virtual_host=3")
        assert redis.Redis.from_url(server.url.removesuffix("/0") + "/3").exists("celeriac:journal")
    finally:
        server.kill()


def test_tls_carries_jobs(road: Road, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key)]
    subprocess.run([*openssl, "-out", str(certificate), *names], check=True, capture_output=True)
    server = Valkey(tmp_path / "valkey").start()
    try:
        with encrypted(server.port, certificate, key) as port:
            where = f"rediss://:{server.password}@127.0.0.1:{port}/0"
            road.carries_a_job(f"{where}?ssl_cert_reqs=required&ssl_ca_certs={certificate}")
    finally:
        server.kill()


@contextmanager
def encrypted(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Give the port of a TLS front for a plain server, as managed Redis has one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop, front = asyncio.new_event_loop(), free_port()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, outer), copy(inner, writer))

    loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", front, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield front

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        loop.stop()

    asyncio.run_coroutine_threadsafe(end(), loop)
    thread.join()


def test_sentinel_names_the_primary_that_carries_jobs(road: Road, tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey").start()
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor first 127.0.0.1 {server.port} 1\n"
        f"sentinel auth-pass first {server.password}\n"
    )
    sentinel = subprocess.Popen([find_binary(), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        watching = redis.Redis(port=port)
        eventually(lambda: _answers(watching), "an answer of the Sentinel")
        road.carries_a_job(f"sentinel://:{server.password}@127.0.0.1:{port}/0", sentinel_master="first")
    finally:
        sentinel.kill()
        sentinel.wait()
        server.kill()


def test_the_apps_broker_wins_over_the_environments(road: Road, broker_url: str, tmp_path: Path) -> None:
    """The `celery` command reads BROKER_URL by itself: the worker must listen where the app submits."""
    (tmp_path / "fixed.py").write_text(
        f"from tests.crash import app as jobs\napp = jobs.create(BROKER_URL={broker_url!r}).extensions['celery']\n"
    )
    env = {
        "BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",  # nobody is there
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "CRASH_LEDGER": str(tmp_path / "ledger"),
    }
    command = [sys.executable, "-m", "celery", "-A", "fixed", "worker", "-P", "solo", "-n", "fixed@test", "-l", "INFO"]
    worker = Worker(command, env, tmp_path / "log")
    road.made.append(worker)
    worker.says("fixed@test ready")
    celery = jobs.create(BROKER_URL=broker_url).extensions["celery"]
    assert celery.tasks["tests.crash.app.note"].delay("here").get(timeout=30) == "here"
    celery.close()


def test_a_prefix_stands_before_every_key(road: Road, broker_url: str) -> None:
    road.carries_a_job(broker_url, key_prefix="shop:")
    client = redis.Redis.from_url(broker_url)
    strange = [key for key in client.scan_iter("*") if not key.startswith(b"shop:")]
    assert strange == []


def test_the_more_urgent_job_starts_first(road: Road, broker_url: str) -> None:
    celery = jobs.create(BROKER_URL=broker_url).extensions["celery"]
    note = celery.tasks["tests.crash.app.note"]
    results = [note.apply_async((f"p{priority}",), priority=priority) for priority in (9, 6, 0, 3)]
    env = {"BROKER_URL": broker_url, "CRASH_LEDGER": str(road.folder / "ledger")}
    command = [sys.executable, "-m", "celery", "-A", "tests.crash.app", "worker", "-P", "solo", "-l", "INFO"]
    road.made.append(Worker(command, env, road.folder / "log"))
    assert [result.get(timeout=60) for result in results] == ["p9", "p6", "p0", "p3"]
    starts = [line.split()[1] for line in (road.folder / "ledger").read_text().splitlines() if "start" in line]
    assert starts == ["p0", "p3", "p6", "p9"]  # with Redis, 0 is the most urgent


def test_a_stock_producer_is_served_at_once_and_at_its_time(road: Road, broker_url: str) -> None:
    road.carries_a_job(broker_url)
    script = (
        "import sys, celery; app = celery.Celery(broker=sys.argv[1]);"
        "print(app.send_task('tests.crash.app.note', ('stock',)).id);"
        "print(app.send_task('tests.crash.app.note', ('stock-later',), countdown=1).id)"
    )
    made = subprocess.run(
        [sys.executable, "-c", script, broker_url], capture_output=True, text=True, check=True, timeout=60
    )
    celery = jobs.create(BROKER_URL=broker_url).extensions["celery"]
    first, later = (celery.AsyncResult(id) for id in made.stdout.split())
    assert (first.get(timeout=30), later.get(timeout=30)) == ("stock", "stock-later")
    client = redis.Redis.from_url(broker_url)
    assert json.loads(client.hget(f"celeriac:job:{later.id}", "args") or b"[]") in ([], [["stock-later"], {}])


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
