"""The peers' own environments: made on demand from their lock files, every file checked against its hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PEERS = ROOT / "peers"
DRIVERS = ROOT / "driver"
VAR = ROOT.parent / "var" / "bench"
INDEX = "https://pypi.org/simple"
PYTHON_PEERS = ("huey", "dramatiq", "taskiq", "saq", "arq", "rq", "streaq")


class UnavailableError(Exception):
    """This peer cannot run here; the sentence says why. It is left out and said."""


def python(peer: str) -> str:
    """The interpreter of a peer's environment, made or refreshed first when its lock has changed."""
    folder = PEERS / peer
    interpreter = folder / ".venv" / "bin" / "python"
    if _stale(folder / "requirements.lock", folder / ".venv" / "stamp"):
        print(f"  making the environment of {peer} …", file=sys.stderr)
        _call([*_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder / ".venv")])
        lock = str(folder / "requirements.lock")
        sync = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(interpreter), lock]
        _call([*_uv(), *sync])
        _stamp(folder / "requirements.lock", folder / ".venv" / "stamp")
    return str(interpreter)


def node(peer: str) -> str:
    """The `node` to run a peer with, its packages installed from package-lock.json."""
    folder = PEERS / peer
    if not (shutil.which("node") and shutil.which("npm")):
        raise UnavailableError("node and npm are not installed")
    if _stale(folder / "package-lock.json", folder / "node_modules" / ".stamp"):
        print(f"  installing the packages of {peer} …", file=sys.stderr)
        _call(["npm", "install", "--no-save", "--silent", "--no-audit", "--no-fund"], cwd=folder)
        _stamp(folder / "package-lock.json", folder / "node_modules" / ".stamp")
    return "node"


def lock() -> None:
    """Write every peer's requirements.lock anew from its requirements.in, against the public index."""
    for peer in PYTHON_PEERS:
        print(f"locking {peer}")
        compile_ = ["pip", "compile", "--quiet", "--no-config", "--default-index", INDEX, "--universal"]
        words = ["--python-version", "3.11", "--generate-hashes", "--custom-compile-command"]
        files = ["python -m benchmarks --lock", "requirements.in", "-o", "requirements.lock"]
        _call([*_uv(), *compile_, *words, *files], cwd=PEERS / peer)


def logs(name: str) -> Path:
    """The log file of a system, its folder made."""
    VAR.mkdir(parents=True, exist_ok=True)
    return VAR / f"{name}.log"


def clean_environment(**more: str) -> dict[str, str]:
    """The environment for a system's processes: ours without Python and Celery settings of the caller."""
    refused = ("PYTHON", "VIRTUAL_ENV", "CELERY", "CELERIAC", "BROKER_URL", "RESULT_BACKEND", "C_FORCE_ROOT")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(refused)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "C_FORCE_ROOT": "1", **more}


def _uv() -> list[str]:
    return [sys.executable, "-m", "uv"]


def _stale(source: Path, stamp: Path) -> bool:
    return not stamp.exists() or stamp.read_text() != _digest(source)


def _stamp(source: Path, stamp: Path) -> None:
    stamp.write_text(_digest(source))


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def _call(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise UnavailableError(f"`{' '.join(command[:4])} …` failed: {' '.join(last)}")
