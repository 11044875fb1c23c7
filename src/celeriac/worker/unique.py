"""What makes two submissions the same job: task, owner and arguments, in any spelling. Speaks Celery's tasks."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from celeriac.errors import ConfigError

OWNER = "celeriac_owner"
LONGEST = 7 * 86400.0


def seconds_of(given: Any, name: str) -> float | None:
    """Return the option `unique` of a job, None without it. Raises ConfigError."""
    if given is None or given is False:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= LONGEST:
        raise ConfigError(f"{name}: unique={given!r} is no time.", "Give seconds, at the most a week: unique=60.")
    return float(given)


def same(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any], headers: Mapping[str, Any]) -> str:
    """Return what a submission has in common with those that are the same: `f(1)` is `f(x=1)`, and defaults count."""
    function = task.celeriac_function
    given = (None, *args) if task.celeriac_bound else args
    try:
        call = inspect.signature(function).bind(*given, **kwargs)
        call.apply_defaults()
        arguments: Any = call.arguments
    except TypeError:  # it does not fit, and is refused or fails elsewhere
        arguments = [list(given), dict(kwargs)]
    words = json.dumps([task.name, headers.get(OWNER), arguments], sort_keys=True, default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:40]
