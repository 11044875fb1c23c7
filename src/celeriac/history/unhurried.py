"""The collector of garbage, while thousands of rows are made and are gone again. Pure."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ROOM = 50_000  # objects that a batch may make before the collector looks


@contextmanager
def unhurried() -> Iterator[None]:
    """Let the collector of garbage look seldom: thousands of rows that are gone together in a moment would make it look
    through the whole process, again and again."""
    before = gc.get_threshold()
    rare = (max(before[0], ROOM), *before[1:])
    if before[0]:  # 0: somebody has turned it off
        gc.set_threshold(*rare)
    try:
        yield
    finally:
        if before[0] and gc.get_threshold() == rare:
            gc.set_threshold(*before)
