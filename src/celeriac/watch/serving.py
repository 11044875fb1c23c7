"""What the server of this process can hold, and whether it was told to stop. Speaks signals, and Gunicorn's worker.

A server that must end waits for its requests, and a stream is a request that does not end by itself. Gunicorn tells
nobody that it was told to stop, but the worker that answers SIGTERM is known to the signal's handler.
"""

from __future__ import annotations

import signal
from typing import Any


def is_stopping() -> bool:
    """Whether the server was told to stop: whatever is held open must end now."""
    worker = _worker()
    return worker is not None and not worker.alive


def room() -> int | None:
    """Return how many requests may be held open here so that others are still answered; None when any number may.

    Threads or connections of the server, but for a quarter (two to eight) that is left to those that end soon.
    """
    worker = _worker()
    if worker is None:
        return None
    if hasattr(worker, "tpool"):  # gthread
        places = min(int(worker.cfg.threads), int(worker.cfg.worker_connections))
    elif hasattr(worker, "worker_connections"):  # gevent
        places = int(worker.worker_connections)
    else:  # sync: one request at a time
        places = 1
    return max(0, places - min(8, max(2, places // 4)))


def _worker() -> Any:
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return worker if hasattr(worker, "alive") and hasattr(worker, "cfg") else None
