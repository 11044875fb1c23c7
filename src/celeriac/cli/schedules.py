"""The command about what Celery beat submits by itself."""

from __future__ import annotations

from flask import current_app

from celeriac import history
from celeriac.actions import past
from celeriac.actions.resource import schedule_resource
from celeriac.cli import shown
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.worker.schedules import schedules

EMPTY = "Nothing is scheduled: see `beat_schedule` in Celery's configuration."


@jobs.command("schedules")
@json_option
def list_schedules(as_json: bool) -> None:
    """List what Celery beat submits by itself, and when."""
    known = context().jobs
    found = schedules(current_app.extensions["celery"])
    kept = history.of(current_app)
    last = [past.last_run(kept, one) for one in found]
    text = [schedule_resource(one, known, run) for one, run in zip(found, last, strict=True)]
    rows = [
        (one.name, said["task"], shown.short(said["arguments"]), one.timing.words, one.next_run_at, run and run[1])
        for one, said, run in zip(found, text, last, strict=True)
    ]
    heads = ("schedule", "task", "arguments", "when", "next run", "last run")
    say(text, as_json, lambda: shown.table(heads, rows, EMPTY))
