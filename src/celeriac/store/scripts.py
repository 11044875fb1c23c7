"""Speaks Redis: Lua moves as callables, with the rules of job.py written into them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Protocol

from redis.exceptions import NoScriptError

from celeriac.job import LETTERS, MOVES, TERMINAL, Move, State

Arg = str | bytes | int | float


def _meta(status: str, kind: str, module: str, message: str) -> dict[str, Any]:
    error = {"exc_type": kind, "exc_message": [message], "exc_module": module}
    return {
        "status": status, "result": error, "traceback": None, "children": [], "date_done": None, "task_id": "@ID@"
    }  # fmt: skip


#: Celery's results of jobs that end without a worker, as its JSON backend writes them (celery/backends/base.py).
END_METAS = {
    State.LOST: _meta("FAILURE", "WorkerLostError", "billiard.exceptions", "The job is in the dead letters: @WHY@."),
    State.FAILED: _meta("FAILURE", "WorkerLostError", "billiard.exceptions", "The job does not run: @WHY@."),
    State.CANCELLED: _meta("REVOKED", "TaskRevokedError", "celery.exceptions", "@WHY@"),
}


class Client(Protocol):
    """What a move needs of a Redis client."""

    def execute_command(self, *args: Any, **options: Any) -> Any: ...


#: The moves that end an attempt: `finish.lua` is told which.
ENDS = (Move.SUCCEED, Move.FAIL, Move.RETRY, Move.REPLACE, Move.CANCELLED)


def rules(source: str) -> str:
    """Return those of job.py's rules that the source names, as Lua: each call of a move pays for every table."""
    terminal = ", ".join(f"{state} = true" for state in sorted(TERMINAL))
    named = {Move(word) for word in re.findall(r"\bMOVES\.(\w+)", source)}
    moves = ", ".join(
        f"{move} = {{ from = {{ {', '.join(f'{s} = true' for s in sorted(starts))} }}, to = '{to}' }}"
        for move, (starts, to) in MOVES.items()
        if move in named or ("MOVES[" in source and move in ENDS)
    )
    metas = ", ".join(f"{state} = '{json.dumps(meta)}'" for state, meta in END_METAS.items() if "END_METAS" in source)
    letters = ", ".join(f"{state} = '{letter}'" for state, letter in LETTERS.items() if "LETTERS" in source)
    tables = {"TERMINAL": terminal, "MOVES": moves, "END_METAS": metas, "LETTERS": letters}
    return "".join(f"local {name} = {{ {rows} }}\n" for name, rows in tables.items())


class Script:
    """One Lua move; `EVALSHA` with `EVAL` as the fallback of a server that forgot it."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.sha = hashlib.sha1(source.encode()).hexdigest()

    def command(self, *args: Arg) -> tuple[Arg, ...]:
        """Return the words of the call, for a connection or pipeline that is driven by hand.

        Lower case on purpose: kombu's prefixing client rewrites the third word of an `EVALSHA`.
        """
        return ("evalsha", self.sha, 0, *args)

    def fallback(self, *args: Arg) -> tuple[Arg, ...]:
        """Return the words of the call for a server that answered NOSCRIPT."""
        return ("eval", self.source, 0, *args)

    def __call__(self, client: Client, *args: Arg) -> Any:
        """Run the move; replies are bytes, integers and lists of them. Raises redis.RedisError."""
        try:
            return client.execute_command(*self.command(*args))
        except NoScriptError:
            return client.execute_command(*self.fallback(*args))


def link(library: str, source: str) -> str:
    """Return the source under what it needs of the library: functions that nobody calls would be made at each call."""
    parts = list(_parts(library))
    functions = {name: text for name, text in parts if name}
    needed: set[str] = set()
    words = _words(source + "".join(text for name, text in parts if not name))
    while words:
        name = words.pop()
        if name in functions and name not in needed:
            needed.add(name)
            words += _words(functions[name])
    text = "".join(text for name, text in parts if not name or name in needed) + source
    return rules(text) + text


def _parts(library: str) -> Iterator[tuple[str, str]]:
    """Split into top-level functions with their names, and the lines between them with ''."""
    name, lines = "", []
    for line in library.splitlines():
        code = line.partition("--")[0].rstrip()
        if not name and not code:
            continue
        lines.append(code)
        if opens := re.match(r"local function (\w+)", code):
            name = opens[1]
        if not name or code == "end" or (opens and code.endswith(" end")):
            yield name, "\n".join(lines) + "\n"
            name, lines = "", []


def _words(source: str) -> list[str]:
    return re.findall(r"\w+", re.sub(r"--.*", "", source))


def script(name: str) -> Script:
    """Return the move of this name."""
    return _scripts()[name]


@cache
def _scripts() -> dict[str, Script]:
    """Read every move at once, at the first: an upgrade in place must not mix two versions in one process.

    The first line of a move may hold flags, `#!lua flags=allow-oom`: what ends or moves a job must be possible on a
    full server, or it would stay full; what brings a job in is refused.
    """
    folder = resources.files(__package__) / "moves"
    texts = {file.name.removesuffix(".lua"): file.read_text(encoding="utf-8") for file in folder.iterdir()}
    library, made = texts.pop("lib"), dict[str, Script]()
    for name, text in texts.items():
        flags = text[: text.index("\n") + 1] if text.startswith("#!") else ""
        made[name] = Script(name, flags + link(library, text[len(flags) :]))
    return made
