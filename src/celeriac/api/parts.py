"""What the routes of one app work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import current_app

from celeriac.actions import Context
from celeriac.auth.rates import Rates
from celeriac.auth.tokens import Tokens
from celeriac.config import Settings
from celeriac.watch import Watch


@dataclass(frozen=True, slots=True)
class Parts:
    """One app's settings, its context for `actions`, its tokens, callers' rates and watch; `load_tasks` finds tasks."""

    settings: Settings
    context: Context
    tokens: Tokens
    rates: Rates
    watch: Watch
    load_tasks: Callable[[], None]


def parts() -> Parts:
    """Return the parts of the app that answers now."""
    found: Parts = current_app.extensions["celeriac"].api
    return found


def context() -> Context:
    """Return the context of the app that answers now, with every task known."""
    found = parts()
    found.load_tasks()
    return found.context
