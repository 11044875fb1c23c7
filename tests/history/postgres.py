"""Speaks processes: a private PostgreSQL for the tests, reached by a socket in its own folder."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_wal_size=256MB", "log_min_messages=fatal")
MISSING = "PostgreSQL is not installed, and the history must hold on it too. On Debian: apt-get install postgresql"


def _binaries() -> Path:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "pg_ctl").exists():
            return folder
    raise RuntimeError(MISSING)


class Postgres:
    """One cluster in a temporary folder; `database()` makes a fresh database in it."""

    def __init__(self) -> None:
        self.binaries = _binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="celeriac-pg-"))  # short: a socket's path has a limit
        self.data = self.folder / "data"
        self._as = []
        self._numbers = itertools.count(1)
        if os.getuid() == 0:  # PostgreSQL refuses root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "celeriac", "-E", "UTF8", "--no-locale", "-D", self.data)

    def start(self) -> Postgres:
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories={self.folder}"))
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.folder / "log", "-o", options)
        return self

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is what a crash is like."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"history{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://celeriac@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [*self._as, str(self.binaries / program), *map(str, arguments)]
        with (self.folder / "commands").open("ab") as out:
            subprocess.run(command, check=True, cwd="/", stdout=out, stderr=out, stdin=subprocess.DEVNULL, timeout=120)
