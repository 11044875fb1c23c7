"""Remote control where Celery's own says "ok" and does nothing, or ends what runs. Speaks Celery.

Workers import it at their start. A command answers `{"ok": …}`, or `{"error": sentence}` for what this worker cannot.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from celery.worker import control

from celeriac.worker.command import PREFIX

_stock: Any = control.Panel.data["time_limit"]


@control.control_command(
    name="time_limit",
    args=[("task_name", str), ("soft", float), ("hard", float)],
    signature="<task_name> <soft_secs> [hard_secs]",
)
def time_limit(
    state: Any, task_name: str | None = None, hard: float | None = None, soft: float | None = None, **_: Any
) -> dict[str, str]:
    """Tell worker(s) to modify the time limit for task by type; it holds for jobs received from now on."""
    answer: dict[str, str] = _stock(state, task_name, hard, soft)
    # Each task's way to its pool was built when the worker started and keeps the limits of that moment
    # (celery/worker/request.py, create_request_cls): build it again.
    state.consumer.update_strategies()
    return answer


@control.control_command(name=f"{PREFIX}resize", args=[("size", int)], signature="<size>")
def resize(state: Any, size: int, **_: Any) -> dict[str, Any]:
    """Give the pool this many slots; Celery's own pool_shrink miscounts when some processes are busy."""
    consumer, pool = state.consumer, state.consumer.pool
    before = pool.num_processes
    problem = ""
    if consumer.controller.autoscaler:
        problem = "Its size follows its load: the worker was started with --autoscale."
    elif not hasattr(pool, "grow"):
        problem = "The solo pool runs one job at a time: start the worker with another pool (-P) for more."
    else:
        problem = _resize(pool, size - before)
        if pool.num_processes != before:
            consumer._update_prefetch_count(pool.num_processes - before)
    return {"error": problem} if problem else {"ok": pool.num_processes}


def _resize(pool: Any, more: int) -> str:
    """Grow or shrink the pool; return why it could not, or not all the way."""
    try:
        if more > 0:
            pool.grow(more)
        elif more < 0:
            pool.shrink(-more)
    except NotImplementedError as error:
        return str(error)
    except ValueError:  # billiard has ended those that were idle, and says that the rest is busy
        return f"It has {pool.num_processes} now: the others are busy. Try again when their jobs have ended."
    return ""


@control.control_command(name=f"{PREFIX}shut_down")
def shut_down(state: Any, **_: Any) -> dict[str, Any]:
    """End as on SIGTERM: within the grace, and nothing is lost. Celery's own `shutdown` would wait without an end."""
    if not callable(signal.getsignal(signal.SIGTERM)):  # as in a test's own process
        return {"error": "It runs inside another program, which alone can end it."}
    os.kill(os.getpid(), signal.SIGTERM)
    return {"ok": "It stops."}
