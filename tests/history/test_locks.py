"""What one connection to SQLite's file does leaves the locks of the others in the process alone."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import text

from celeriac.history import migrate
from celeriac.history.database import Database, url_of
from tests.api.served import make_app


def locks(path: Path) -> list[str]:
    """Return the locks that this process has on the file, as the kernel lists them."""
    inode = path.stat().st_ino
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return [line.partition(": ")[2] for line in lines if f":{inode} " in line and f" {os.getpid()} " in line]


def test_a_second_connection_does_not_drop_the_locks_of_the_first(broker_url: str, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    app = make_app(broker_url, DATABASE_URL=f"sqlite:///{path}")
    database = Database(url_of(app.extensions["celeriac"].settings))
    migrate.upgrade(database)
    with database.read() as first:
        first.execute(text("SELECT count(*) FROM celeriac_jobs"))
        before = locks(path)
        assert before
        with database.read() as second:
            second.execute(text("SELECT 1"))
            assert locks(path) == before
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.name[-1].isdigit()] == []
    database.dispose()
