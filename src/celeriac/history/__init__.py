"""Speaks SQL, alone in the house: what happened, kept for search, statistics, and the day Redis loses its memory.

1. `start(app)` lets this process copy when it is its turn; `of(app)` is the app's `History`, for every question.
2. `copier` reads the journal of the store and `copying` writes it to the tables of `schema`, each transition once.
3. `gaps` completes what the journal lost, `reconcile` queues again what Redis forgot, `retention` lets go.
4. `pages` and `statistics` answer from indexes that were made for them; `filters` says what one may look for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celeriac.history.copier import Copier
    from celeriac.history.house import History

PATIENCE = 4.0  # seconds between two attempts of a thread to copy in place of the process beside it

__all__ = ["apart", "of", "start"]


def of(app: Any) -> History:
    """Return the history of a Flask app with Celeriac; made once, opened by the first question."""
    kept: dict[str, Any] = app.extensions.setdefault("celeriac.history", {})
    if "history" not in kept:
        from celeriac.history.house import History

        celery = app.extensions["celery"]
        kept["history"] = History(celery.settings, celery)
    history: History = kept["history"]
    return history


def apart(app: Any) -> Callable[[], Copier] | None:
    """Return what makes the copier of a process that does nothing else; None without a history.

    What this process starts itself from now on lets that one go first.
    """
    history = of(app)
    app.extensions["celeriac.history"]["apart"] = history.on
    return history.copier if history.on else None


def start(app: Any) -> Copier | None:
    """Let this process copy when it is its turn, on a thread of its own; None without a history.

    Call it in each web and worker process, after the fork; a second call changes nothing. `stop()` ends it.
    """
    history = of(app)
    if not history.on:
        return None
    kept: dict[str, Any] = app.extensions["celeriac.history"]
    copier: Copier | None = kept.get("copier")
    if copier is None or copier.pid != os.getpid() or copier.stopping:
        copier = kept["copier"] = history.copier(PATIENCE) if kept.get("apart") else history.copier()
        copier.start()
    return copier
