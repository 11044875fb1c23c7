"""Hands: `flask jobs …`, what one may ask as words on a command line. Speaks click.

1. `group` is the command itself: errors of ours become a sentence and an exit code, with `--json` a problem.
2. `job`, `queue` and `dead` are its commands; each calls `celeriac.actions` and shows what came of it.
3. `shown` lays out what people read.
"""

from celeriac.cli import dead, job, queue
from celeriac.cli.group import jobs

__all__ = ["dead", "job", "jobs", "queue"]
