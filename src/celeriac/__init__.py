"""Celeriac: background jobs for Flask on Celery and Redis that lose nothing.

The public names, at most ten. They are loaded when first asked for, so that importing one room of the library
costs that room alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celeriac.api.deprecation import replaced_by
    from celeriac.api.door import needs
    from celeriac.extension import Celeriac, cached
    from celeriac.worker.file import File
    from celeriac.worker.progress import current_job, progress, track
    from celeriac.worker.task import job
    from celeriac.worker.telling import job_finished

__all__ = [
    "Celeriac",
    "File",
    "cached",
    "current_job",
    "job",
    "job_finished",
    "needs",
    "progress",
    "replaced_by",
    "track",
]

_HOMES = {
    "Celeriac": "celeriac.extension",
    "File": "celeriac.worker.file",
    "cached": "celeriac.extension",
    "current_job": "celeriac.worker.progress",
    "job": "celeriac.worker.task",
    "job_finished": "celeriac.worker.telling",
    "needs": "celeriac.api.door",
    "progress": "celeriac.worker.progress",
    "replaced_by": "celeriac.api.deprecation",
    "track": "celeriac.worker.progress",
}

# The first import of a submodule sets its name on this package: `celeriac.job`, what a job is, would hide the
# decorator `job`. It is pure and light, so import it now and take the name back, once.
importlib.import_module("celeriac.job")
del globals()["job"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
