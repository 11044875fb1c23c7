"""Speaks the command line of `up`: options over environment over defaults, errors as one sentence."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence

from celeriac.config import PREFIX, Settings, load
from celeriac.errors import CeleriacError, HistoryError
from celeriac.stack.lines import Lines
from celeriac.stack.parts import plan
from celeriac.stack.supervisor import Supervisor
from celeriac.stack.valkey import HOST


def options(arguments: Sequence[str]) -> dict[str, str | int | bool]:
    """Return the settings that the command line gives; what it does not mention is absent."""
    parser = argparse.ArgumentParser(prog="up", description="Run the whole system here, from this terminal.")
    parser.add_argument("--port", type=int, help="of the web server (5000)")
    parser.add_argument("--flower-port", type=int, help="of Flower (5555)")
    parser.add_argument("--data", metavar="DIR", help="keeps the queue and local secrets (var)")
    parser.add_argument("--no-flower", dest="flower", action="store_false", default=None, help="leave Flower out")
    given = vars(parser.parse_args(arguments))
    return {PREFIX + name.upper(): value for name, value in given.items() if value is not None}


def main(arguments: Sequence[str]) -> int:
    """Run the stack until it is stopped; return the exit code."""
    began = time.monotonic()
    given = options(arguments)
    try:
        settings = load(given, os.environ)
        parts = plan(settings, {**os.environ, **{name: str(value) for name, value in given.items()}})
        lines = Lines(sys.stdout)
        if settings.history and settings.database_url:  # a file of our own is brought up to date by who copies
            _upgrade(settings, lines)

        def greet() -> None:
            _greet(lines, settings, time.monotonic() - began)

        return asyncio.run(Supervisor(parts, lines, greet).run())
    except KeyboardInterrupt:
        return 130
    except CeleriacError as error:
        print(f"up: {error}", file=sys.stderr)  # noqa: T201  (a command line's answer)
        return error.exit_code


def _upgrade(settings: Settings, lines: Lines) -> None:
    """Bring the history's tables up to date; without SQL the queue goes on all the same."""
    from celeriac.history import migrate
    from celeriac.history.database import Database, url_of

    try:
        migrate.upgrade(Database(url_of(settings)), settings.key_prefix)
    except HistoryError as error:
        lines.say(str(error))


def _greet(lines: Lines, settings: Settings, took: float) -> None:
    lines.say(f"All parts are up after {took:.1f} s.")
    lines.say(f"  App      http://{HOST}:{settings.port}/")
    lines.say(f"  Console  http://{HOST}:{settings.port}/console/")
    if settings.flower:
        lines.say(f"  Flower   http://{HOST}:{settings.flower_port}/")
    lines.say(f"  Data     {settings.data}")
    lines.say("Ctrl-C stops.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
