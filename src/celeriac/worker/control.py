"""Remote control where Celery's own says "ok" and does nothing. Speaks Celery; workers import it at start."""

from __future__ import annotations

from typing import Any

from celery.worker import control

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
