"""The app whose workers are broken on purpose: every job writes what it does into a ledger outside of everything."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from flask import Flask

from celeriac import Celeriac, job

DEADLINE = 120.0  # s: no job of a test outlives its test


def create(**config: Any) -> Flask:
    """Return an app on the broker that BROKER_URL or `config` names."""
    app = Flask("crash")
    app.config.update(config)
    Celeriac(app)
    return app


def __getattr__(name: str) -> Any:
    """Make the Celery app for `celery -A tests.crash.app worker`."""
    if name != "celery":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()["celery"] = create(CELERY=_celery_settings()).extensions["celery"]
    return made


def _celery_settings() -> dict[str, Any]:
    soft = float(os.environ.get("CRASH_SOFT_STOP", "0"))
    return {
        "worker_hijack_root_logger": True, "worker_redirect_stdouts": False, "worker_soft_shutdown_timeout": soft,
    }  # fmt: skip


def write(*words: object) -> None:
    """Append one line; the kernel keeps lines of several processes apart."""
    line = " ".join(map(str, words)) + f" {os.getpid()} {time.monotonic():.4f}\n"
    descriptor = os.open(os.environ["CRASH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


@job
def note(key: str, seconds: float = 0.0) -> str:
    """Take some time between two lines of the ledger."""
    write("start", key)
    time.sleep(seconds)
    write("end", key)
    return key


@job
def hold(key: str, gate: str) -> str:
    """Run until a file appears."""
    write("start", key)
    until = time.monotonic() + DEADLINE
    while not Path(gate).exists() and time.monotonic() < until:
        time.sleep(0.01)
    write("end", key)
    return key


@job(rate_limit="20/s")
def paced(key: str) -> str:
    """Run at most so often in one worker."""
    write("start", key)
    write("end", key)
    return key


@job
def poison(key: str, whom: str = "self") -> None:
    """Kill the process that runs it, or the worker that it belongs to, at every attempt."""
    write("start", key)
    os.kill(os.getppid() if whom == "worker" else os.getpid(), signal.SIGKILL)
    time.sleep(DEADLINE)


@job(bind=True, max_retries=5, default_retry_delay=0.2, retry_backoff=False)
def stubborn(self: Any, key: str, times: int) -> str:
    """Ask for another try some times; each try has a key of its own."""
    write("start", f"{key}.{self.request.retries}")
    if self.request.retries < times:
        raise self.retry(countdown=0.2)
    write("end", key)
    return key
