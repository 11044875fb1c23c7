"""The processes of a prefork pool, where Celery's own pool errs."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from kombu.asynchronous import Hub

from celeriac.worker.processes import Processes


def test_a_process_that_ended_a_moment_before_a_reconnect_is_looked_after_again() -> None:
    """Its end was seen, its status was not known yet: it is still one of the pool's."""
    pool: Any = Processes.__new__(Processes)
    reader, writer = os.pipe()
    proc = SimpleNamespace(_popen=SimpleNamespace(sentinel=reader))
    hub: Any = Hub()
    seen: list[Any] = []
    pool._pool, pool._waiting_to_start, pool.maintain_pool = [proc], [], lambda: seen.append("again")
    pool._track_child_process(proc, hub)
    os.close(writer)
    hub.run_once()
    assert seen == ["again"]
    assert proc._sentinel_poll is None
    pool._track_child_process(proc, hub)  # the connection was lost, and is there again
    for _ in range(20):
        hub.run_once()
    assert seen[1:]
    os.close(reader)
    hub.close()
