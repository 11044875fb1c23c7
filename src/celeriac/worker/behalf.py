"""On whose behalf a job is submitted: what a request, or a job that submits another, hands on. Speaks Flask, Celery.

The transport writes these headers into the record; Celery itself repeats them in retries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import g, has_request_context

from celeriac.queue.message import ON_BEHALF


def act_for(headers: Mapping[str, str], sees: Callable[[str], bool]) -> None:
    """Let every job that this request submits carry these headers; `sees` tells whose things exist for its caller."""
    g.celeriac_behalf = headers, sees


def sees(owner: str) -> bool:
    """Whether what belongs to `owner` exists for who asks by HTTP. A request that nobody let in sees nobody's alone.

    Outside a request it is the app's own code that asks, and sees all.
    """
    if not has_request_context():
        return True
    known: tuple[Mapping[str, str], Callable[[str], bool]] | None = g.get("celeriac_behalf")
    return known[1](owner) if known else not owner


def headers(task: Any) -> dict[str, str]:
    """Return what is handed on to a job that is submitted here and now, by this task if one runs."""
    if task is not None:
        found = {name: getattr(task.request, name, None) for name in ON_BEHALF}
        return {name: value for name, value in found.items() if isinstance(value, str)}
    known = g.get("celeriac_behalf") if has_request_context() else None
    return dict(known[0]) if known else {}
