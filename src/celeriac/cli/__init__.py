"""Hands: `flask jobs …`, what one may ask as words on a command line. Speaks click.

1. `group` is the command itself: errors of ours become a sentence and an exit code, with `--json` a problem.
2. `job`, `result`, `many`, `watch`, `queue`, `worker`, `schedules`, `dead`, `history`, `token` and `doctor` are its
   commands; each calls `celeriac.actions` and shows what came of it.
3. `shown` lays out what people read; `start` says in a sentence why a program cannot start an app.
"""

from celeriac.cli import dead, doctor, history, job, many, queue, result, schedules, token, watch, worker
from celeriac.cli.group import jobs
from celeriac.cli.start import refused

__all__ = [
    "dead",
    "doctor",
    "history",
    "job",
    "jobs",
    "many",
    "queue",
    "refused",
    "result",
    "schedules",
    "token",
    "watch",
    "worker",
]
