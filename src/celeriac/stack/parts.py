"""Speaks the command lines of the parts: what `up` runs, with which settings, in which order.

Start: Valkey, then the web (so that the first job is accepted as early as can be), then the worker lanes and
Flower together. Stop: the web (no new jobs), the workers (running jobs finish or go back), Flower, Valkey.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from celeriac.config import Settings
from celeriac.errors import StartError
from celeriac.stack.probe import http_answers, listens, port_of
from celeriac.stack.valkey import HOST, Valkey, allocator, find_binary, is_free, kept_secret, write_private

Prepared = tuple[list[str], tuple[int, ...]]
URL_FILE = "broker-url"  # in the data folder: BROKER_URL for other terminals
WEB_GRACE = 10.0
SPARING = {"MALLOC_ARENA_MAX": "2"}  # many threads, little memory
MARGIN = 5.0  # what a part gets beyond its own grace period before it is killed


@dataclass(frozen=True, slots=True)
class Part:
    """One program of the stack.

    `prepare` returns its command and the descriptors that it inherits. It is ready when `answers` says so,
    or when it wrote a line that holds `ready_line`. `grace` is seconds from SIGTERM to SIGKILL; `hurry` is
    what its main process gets when one is asked to stop now, None for nothing; `last` what it gets when the
    supervisor was killed. When a part that is not `needed` cannot start, the others go on.
    """

    name: str
    prepare: Callable[[], Prepared]
    env: Mapping[str, str]
    start: int
    stop: int
    grace: float
    answers: Callable[[], Awaitable[bool]] | None = None
    ready_line: str = ""
    hurry: signal.Signals | None = signal.SIGKILL
    last: signal.Signals = signal.SIGKILL
    needed: bool = True


def plan(settings: Settings, environ: Mapping[str, str]) -> list[Part]:
    """Return the parts for these settings; StartError when a program is missing or a port is taken."""
    check_programs(settings)
    check_ports(settings)
    given = environ.get("BROKER_URL") or environ.get("CELERIAC_BROKER_URL")
    check_broker(settings.broker_url) if given else find_binary()
    # everything listens on loopback, so this is local development unless the environment says otherwise
    env = {"CELERIAC_LOCAL": "1", **environ, "PYTHONUNBUFFERED": "1", "CELERIAC_GRACE": str(settings.grace)}
    data, parts = Path(settings.data), []
    try:
        env["SECRET_KEY"] = environ.get("SECRET_KEY") or kept_secret(data / "secret-key")
        if not given:
            server = Valkey(data / "valkey")
            env["BROKER_URL"] = server.url
            write_private(data / URL_FILE, server.url + "\n")
            parts.append(_valkey(server, env))
    except OSError as error:
        raise StartError(f"Cannot write in {data}: {error.strerror}.", "Take another folder: --data DIR.") from error
    parts += [_web(settings, env), *_lanes(settings, env)]
    return [*parts, _flower(settings, env)] if settings.flower else parts


def check_programs(settings: Settings) -> None:
    """Raise StartError for a program that is not installed. Nothing is imported: that would cost a second."""
    wanted = {"celery": "", "gunicorn": "[web]"} | ({"flower": "[monitor]"} if settings.flower else {})
    for module, extra in wanted.items():
        if importlib.util.find_spec(module) is None:
            without = ", or leave it out: --no-flower" if module == "flower" else ""
            raise StartError(f"{module} is not installed here.", f"Install it: pip install 'celeriac{extra}'{without}.")


def check_ports(settings: Settings) -> None:
    """Raise StartError for a port that somebody else listens on."""
    ports = {"--port": settings.port} | ({"--flower-port": settings.flower_port} if settings.flower else {})
    for option, port in ports.items():
        if not is_free(port):
            airplay = " (on a Mac, AirPlay Receiver holds 5000)" if port == 5000 else ""
            raise StartError(f"Port {port} is in use{airplay}.", f"Stop what uses it, or take another: {option} N.")
    if len(set(ports.values())) < len(ports):
        raise StartError("The web server and Flower cannot share one port.", "Take another: --flower-port N.")


def check_broker(url: str) -> None:
    """Raise StartError when nothing listens at a plain redis:// URL; the workers judge other kinds."""
    where = port_of(url)
    if where and not listens(*where):
        raise StartError(
            "Nothing answers at {}:{}, the Redis of BROKER_URL.".format(*where),
            "Start it, or unset BROKER_URL to run an embedded Valkey.",
        )


def _valkey(server: Valkey, env: Mapping[str, str]) -> Part:
    async def answers() -> bool:
        return server.answers()

    last = signal.SIGTERM  # so that it writes out what it holds, even when the supervisor was killed
    # in a hurry, too, it goes last: into it the workers give back what ran
    env = {**env, **allocator(find_binary())}
    return Part("valkey", server.prepare, env, start=0, stop=3, grace=30.0, answers=answers, hurry=None, last=last)


def _web(settings: Settings, env: dict[str, str]) -> Part:
    command = [sys.executable, "-m", "gunicorn", settings.wsgi_app, "--bind", f"{HOST}:{settings.port}"]
    command += ["--worker-class", "gthread", "--workers", str(settings.web_workers)]
    command += ["--threads", str(settings.web_threads), "--graceful-timeout", str(int(WEB_GRACE))]
    command += ["--limit-request-line", "8190"]  # the most it offers: a search may be 500 characters of any script
    command += ["--no-control-socket"]  # two servers of one user would share it
    env = SPARING | env
    command += ["--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(s)s %(M)s ms"]
    return Part(
        "web",
        lambda: (command, ()),
        env,
        start=1,
        stop=0,
        grace=WEB_GRACE + MARGIN,
        answers=lambda: http_answers(settings.port, "/healthz"),
    )


def _lanes(settings: Settings, env: dict[str, str]) -> list[Part]:
    """Two lanes: processes for ordinary jobs, threads for jobs that mostly wait and shall block nobody."""

    def lane(name: str, queue: str, pool: str, size: int, env: Mapping[str, str]) -> Part:
        command = [*_celery(settings), "worker", "-n", f"{name}@%h", "-Q", queue, "-P", pool, "-c", str(size)]
        if settings.flower:  # its view of tasks is made of events; nobody else pays for them
            command.append("-E")
        # mingle and gossip cost a second at start; what they exchange is in the record
        command += ["-l", "INFO", "--without-mingle", "--without-gossip"]
        grace = settings.grace + MARGIN
        cold = signal.SIGQUIT  # what runs goes back at once (worker/program.py)
        return Part(name, lambda: (command, ()), env, start=2, stop=1, grace=grace, ready_line=" ready.", hurry=cold)

    return [
        lane("default", "celery", "prefork", settings.processes, env),
        lane("io", "io", "threads", settings.threads, SPARING | env),
    ]


def _flower(settings: Settings, env: Mapping[str, str]) -> Part:
    # Flower's API is closed unless it has a password or this; on loopback, in local development, the pages
    # would be open all the same, and Flower itself refuses requests that another site's page sends
    env = {"FLOWER_UNAUTHENTICATED_API": "true", **env}
    command = [*_celery(settings), "flower", f"--address={HOST}", f"--port={settings.flower_port}"]
    return Part(
        "flower",
        lambda: (command, ()),
        env,
        start=2,
        stop=2,
        grace=MARGIN,
        answers=lambda: http_answers(settings.flower_port, "/healthcheck"),
        needed=False,
    )


def _celery(settings: Settings) -> list[str]:
    return [sys.executable, "-m", "celery", "--quiet", "-A", settings.celery_app]
