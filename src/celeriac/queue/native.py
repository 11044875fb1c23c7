"""Speaks gevent where it is at work: threads, locks and sleep that monkey-patching has not touched.

A lease must be renewed while a greenlet computes without yielding, so the thread that does it must be a real one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def _original(module: str, name: str) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(__import__(module), name)


def lock() -> Any:
    """Return a lock between native threads."""
    return _original("_thread", "allocate_lock")()


def sleep(seconds: float) -> None:
    """Sleep without a gevent hub."""
    _original("time", "sleep")(seconds)


def start(run: Callable[[], None]) -> None:
    """Run a function on a native daemon thread."""
    _original("_thread", "start_new_thread")(run, ())
