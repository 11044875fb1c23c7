"""An app whose jobs have much to say: `tests.watch.chatty:flask_app` for Gunicorn, and for Celery's workers."""

from __future__ import annotations

import os
import time

from flask import Flask

from celeriac import Celeriac, current_job, job, progress


@job(name="chatter")
def chatter(lines: int, pause: float) -> str:
    """Say many lines, and after every tenth how far it is."""
    for i in range(lines):
        print(f"line {i}")
        if i % 10 == 9:
            progress(i + 1, lines)
        time.sleep(pause)
    return "That is all."


@job(name="add")
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@job(name="stay")
def stay() -> None:
    """Run until somebody stops it."""
    while True:
        current_job.check()
        time.sleep(0.05)


flask_app = Flask("chatty")
flask_app.config.from_mapping(
    BROKER_URL=os.environ.get("BROKER_URL", ""), CELERIAC_HISTORY=False, SECRET_KEY="chatty chatty chatty chatty chatty"
)
Celeriac(flask_app)


@flask_app.get("/page/<id>")
def page(id: str) -> str:
    """A page of one's own that shows a job, and remembers what it heard."""
    link = flask_app.extensions["celeriac"].link(id, cancel=True)
    return f"""<!doctype html><title>A job</title><script type="module" src="/api/job-progress.js"></script>
      <script>
        heard = {{ log: [], progress: [], state: [], reset: [], end: [] }};
        for (const kind in heard) addEventListener("job-" + kind, (event) => heard[kind].push(event.detail));
      </script>
      <job-progress src="{link}" cancel></job-progress>"""


celery = flask_app.extensions["celery"]
