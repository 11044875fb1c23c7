"""The command `doctor`: is everything there, and fit?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

from flask import current_app

from celeriac import history
from celeriac.api.facts import facts_of
from celeriac.auth import refusals
from celeriac.cli import shown
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.errors import ConfigError
from celeriac.stack import doctor as looking
from celeriac.stack.doctor import Look, Verdict
from celeriac.worker.routing import queue_of
from celeriac.worker.schedules import schedules


@jobs.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at settings, Redis, queues, history and ports; say what is wrong, and what to do (exit code 1)."""
    app, installed = context(), current_app.extensions["celeriac"]
    looks = [*_settings(), *looking.examine(installed.settings, app, _named_queues(), history.of(current_app))]
    looks += _schedules()
    looks.sort(key=lambda look: look.name != "versions")
    rows = [(look.verdict, look.name, f"{look.message} {look.remedy}") for look in looks]
    bad = looking.worst(looks) is Verdict.ERROR
    say(
        {"well": not bad, "looks": [asdict(look) for look in looks]},
        as_json,
        lambda: shown.table(("", "what", "how it is"), rows, ""),
    )
    sys.exit(int(bad))


def _settings() -> Iterator[Look]:
    """What production would refuse to start with. Redis is looked at by others."""
    installed = current_app.extensions["celeriac"]
    facts = facts_of(current_app, installed.api)
    found = refusals.findings(replace(facts, broker=()))
    where = "Local development: open to this machine." if facts.local else "Production: closed without a token."
    if not found:
        yield Look(Verdict.OK, "settings", where)
    for one in found:
        yield Look(Verdict.ERROR, "settings", one.problem, one.remedy)
    if found and not facts.local:
        yield Look(Verdict.HINT, "settings", where, "On your own machine, CELERIAC_LOCAL=1 asks for none of this.")


def _schedules() -> Iterator[Look]:
    """What beat would submit though nobody here can run it, or cannot read."""
    celery = current_app.extensions["celery"]
    try:
        found = schedules(celery)
    except ConfigError as error:
        yield Look(Verdict.ERROR, "schedules", error.message, error.hint)
        return
    for one in found:
        if one.task not in celery.tasks:
            said = f"Its task {one.task!r} is unknown to this app: its jobs would be dead letters."
            yield Look(Verdict.WARNING, f"schedule {one.name}", said,
                       "Import the module that defines it, or correct the name in `beat_schedule`.")  # fmt: skip


def _named_queues() -> dict[str, str]:
    """Return each queue that tasks of the app name, with one of its tasks."""
    celery = current_app.extensions["celery"]
    tasks = [task for name, task in celery.tasks.items() if not name.startswith(("celery.", "celeriac."))]
    return {queue_of(task) or celery.conf.task_default_queue: task.name for task in tasks}
