"""Where a watcher is, as the id of an event tells it. Pure.

17                 in one job: the job's `seq`
17.3.250           in several: the `seq` of each, in the order in which they were asked for
1792~17.3          in the journal of all jobs, and in some of them besides
1792               in the journal alone
"""

from __future__ import annotations

import re
from collections.abc import Sequence

UNREADABLE = -1
_NUMBERS = re.compile(r"\d{1,20}(\.\d{1,20})*")


class Position:
    """`jobs` maps ids to the last number told of each; `journal` is the last of all jobs' transitions, None without."""

    __slots__ = ("jobs", "journal")

    def __init__(self, jobs: dict[str, int], journal: int | None = None) -> None:
        self.jobs, self.journal = jobs, journal

    def __str__(self) -> str:
        jobs = ".".join(map(str, self.jobs.values()))
        if self.journal is None:
            return jobs
        return f"{self.journal}~{jobs}" if jobs else str(self.journal)


def read(text: str | None, ids: Sequence[str], everyone: bool) -> tuple[dict[str, int | None], int | None]:
    """Return where each job and the journal were left: None for who comes anew, UNREADABLE for what is none of ours."""
    if not text:
        return dict.fromkeys(ids), None
    journal, tilde, jobs = text.partition("~") if everyone and ids else (text, "", "") if everyone else ("", "", text)
    numbers = [int(number) for number in jobs.split(".")] if _NUMBERS.fullmatch(jobs) else []
    left = int(journal) if _NUMBERS.fullmatch(journal) and "." not in journal else UNREADABLE
    if len(numbers) != len(ids) or (everyone and ids and not tilde):
        return dict.fromkeys(ids, UNREADABLE), left if everyone else None
    return dict(zip(ids, numbers, strict=True)), left if everyone else None
