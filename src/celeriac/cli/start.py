"""What is said when a program cannot start an app because its settings are wrong. Speaks Flask.

Flask, Celery and Gunicorn load the app themselves, and show whatever it raises as a traceback of theirs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flask import has_app_context

from celeriac.errors import ConfigError

#: The programs, and the exit codes that they understand: another one makes Gunicorn start its workers for ever.
PROGRAMS = {"flask": ConfigError.exit_code, "celery": ConfigError.exit_code, "gunicorn": 4}


def refused(error: ConfigError) -> None:
    """End the program that is starting this app with the error's sentence; return where no such program does."""
    started = Path(sys.argv[0])
    code = PROGRAMS.get(started.parent.name if started.name == "__main__.py" else started.name)
    if code is None or has_app_context():  # within one, an app runs already, and this is another
        return
    sys.stderr.write(f"Error: {error}\n")
    sys.stderr.flush()
    raise SystemExit(code) from None
