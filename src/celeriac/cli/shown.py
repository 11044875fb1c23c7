"""How things look to a person at a terminal. Pure: texts in, texts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from celeriac.registry import TaskSpec

MARKS = {"succeeded": "■", "failed": "✕", "cancelled": "✕", "lost": "✕"}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> str:
    """Return rows under their heads, in columns; or `empty`, a sentence, when there are none."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        return empty
    lines = [[head.upper() for head in heads], *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def plain(value: object) -> str:
    """Return one cell: a dash for nothing, names side by side, control characters made visible."""
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, datetime):
        return clock(value)
    text = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def clock(at: datetime) -> str:
    """Return a time as people read it, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str:
    """Return a duration in at most two units: `340 ms`, `12.0 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def signature(spec: TaskSpec) -> str:
    """Return how a task is called: `long_task steps=300 seconds=10.0`; NAME stands for what must be given."""
    properties: Any = spec.schema.get("properties", {})
    required: Any = spec.schema.get("required", [])
    words = [
        f"{name}={name.upper() if name in required else short(schema.get('default'))}"
        for name, schema in properties.items()
    ]
    return " ".join([spec.name, *words])


def job(shown: dict[str, Any]) -> str:
    """Return a job resource as lines of `name value`."""
    waiting = shown.get("waiting") or {}
    error = shown.get("error") or {}
    progress = shown.get("progress") or {}
    rows = [
        ("job", shown["id"]),
        ("task", shown["task"]),
        ("state", shown["state"] + (f", attempt {shown['attempt']}" if shown["attempt"] > 1 else "")),
        ("waiting", waiting.get("sentence")),
        ("queue", shown["queue"]),
        ("arguments", short(shown["arguments"])),
        ("progress", progress_words(progress) if progress else None),
        ("worker", shown["worker"]),
        *((name, shown[f"{name}_at"]) for name in ("created", "due", "started", "finished")),
        ("reason", shown["reason"]),
        ("error", f"{error.get('type')}: {error.get('message')}" if error else None),
        ("result", json.dumps(shown["result"], ensure_ascii=False) if shown["state"] == "succeeded" else None),
        *(("attempt", attempt(one)) for one in shown["attempts"]),
    ]
    lines = [f"{name.ljust(9)}  {plain(value)}" for name, value in rows if value not in (None, "")]
    return "\n".join(lines + ([str(error["traceback"]).rstrip()] if error.get("traceback") else []))


def attempt(one: dict[str, Any]) -> str:
    """Return one line about a run that is over."""
    return f"{one['started_at'] or '?'} to {one['ended_at'] or '?'} on {one['worker'] or '?'}: {one['outcome']}"


def progress_words(progress: dict[str, Any]) -> str:
    """Return how far a job is: `3 of 5 (60 %)`, with its own words after that."""
    current, total, percent = progress.get("current"), progress.get("total"), progress.get("percent")
    far = f"{current} of {total}" if total is not None else str(current)
    words = progress.get("message")
    shown = f"{far} ({percent:.0f} %)" if percent is not None else far
    return f"{shown} {words}" if words and words != far else shown


def outcome(shown: dict[str, Any]) -> str:
    """Return how a job ended, in one line."""
    error = shown.get("error") or {}
    why = f"{error.get('type')}: {error.get('message')}" if error else shown.get("reason") or ""
    mark = MARKS.get(shown["state"], "□")
    return plain(f"{mark} {shown['task']} {shown['id']} {shown['state']} {why}".rstrip())


def short(value: object) -> str:
    """Return a value as JSON, text as it is, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"
