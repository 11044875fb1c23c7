"""An app whose jobs take and return files; `tests.files.studio:flask_app` is for Gunicorn and Celery."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

from celeriac import Celeriac, File, job

SECRET_KEY = "1c59ab6f1d0cb29e4d7788aa3c10f4be92"
LIMIT = 200_000  # bytes of a file
RESULT_LIMIT = 10_000  # bytes of a result in Redis


@job(name="louder")
def louder(text: File, times: int = 1) -> File:
    """Return a file in upper case."""
    return File(text.read().upper() * times, name="LOUD.txt")


@job(name="wrap")
def wrap(content: str, name: str = "", media_type: str = "") -> File:
    """Return what was said as a file."""
    return File(content.encode(), name=name, media_type=media_type)


@job(name="keep")
def keep(papers: list[File], note: dict[str, Any]) -> dict[str, Any]:
    """Return files, one of them as it came, and a note that may look like one."""
    return {"first": papers[0], "made": [File(b"{}", name="x.json")], "note": note}


@job(name="say_again")
def say_again(value: Any) -> Any:
    """Return what was said."""
    return value


@job(name="much")
def much(items: int) -> list[int]:
    """Return many numbers."""
    return list(range(items))


def make_app(**config: Any) -> Flask:
    """Return the app, closed unless `config` says otherwise."""
    app = Flask("studio")
    app.config.from_mapping(
        SECRET_KEY=SECRET_KEY, CELERIAC_FILE_LIMIT=LIMIT, CELERIAC_RESULT_LIMIT=RESULT_LIMIT, **config
    )
    Celeriac(app)
    return app


def __getattr__(name: str) -> Any:
    """Make the app when a server or a worker asks for it."""
    if name in ("flask_app", "celery"):
        globals()["flask_app"] = made = make_app(
            **{name: os.environ[name] for name in ("BROKER_URL", "CELERIAC_DATA", "CELERIAC_LOCAL")}
        )
        globals()["celery"] = made.extensions["celery"]
        return globals()[name]
    raise AttributeError(name)
