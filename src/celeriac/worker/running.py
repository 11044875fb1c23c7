"""One attempt that runs in this process, and what it said since its last report."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

from celeriac.store import moves

INTERVAL = 0.1  # seconds between two reports of one job, at least


@dataclass(slots=True)
class Interval:
    """How often each job of a process may report."""

    seconds: float = INTERVAL


@dataclass(slots=True)
class Running:
    """One attempt in this process. `since` and `reported` are monotonic."""

    token: str
    worker: str
    since: float
    tracked: bool
    interval: Interval
    reported: float = 0.0
    writing: bool = False
    started: bool = False
    progress: str = ""
    progress_meta: str = ""
    lines: list[str] = field(default_factory=list)
    dropped: int = 0
    stop: str = ""
    unfinished: dict[str, str] = field(default_factory=dict)

    def meta(self) -> str:
        """Return Celery's STARTED result (celery/app/trace.py), or '' where the task does not track its start."""
        if not self.tracked:
            return ""
        return json.dumps({
            "status": "STARTED", "result": {"pid": os.getpid(), "hostname": self.worker}, "traceback": None,
            "children": [], "date_done": None, "task_id": self.id,
        })  # fmt: skip

    def report(self) -> moves.Report:
        """Return what is new and forget it."""
        report = moves.Report(self.token, self.progress, self.progress_meta, self.lines, self.dropped)
        self.progress, self.progress_meta, self.lines, self.dropped, self.writing = "", "", [], 0, True
        return report

    @property
    def id(self) -> str:
        return self.token.rpartition(":")[0]

    @property
    def silent(self) -> bool:
        return not (self.progress or self.lines or self.dropped)
