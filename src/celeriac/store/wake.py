"""Speaks Redis: waits for news of one job. Publish only wakes; a slow look is the net under it."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client

LOOK = 1.0  # seconds between two looks when nobody wakes us


def news(client: Client, space: Space, id: str, timeout: float | None = None) -> Generator[None, None, None]:
    """Yield at once, then whenever something may have happened to the job, until the time (s) is over."""
    deadline = None if timeout is None else time.monotonic() + timeout
    with reachable(), client.pubsub(ignore_subscribe_messages=True) as bell:
        bell.subscribe(f"{space.keys}wake:{id}")
        while True:
            yield
            left = LOOK if deadline is None else min(LOOK, deadline - time.monotonic())
            if left <= 0:
                return
            _listen(bell, left)


def _listen(bell: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if bell.get_message(timeout=left) is not None:
            break
    while bell.get_message(timeout=0) is not None:  # several wakes are one piece of news
        pass
