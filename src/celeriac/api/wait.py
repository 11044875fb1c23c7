"""Holds a request open until a job has ended, for as long as its caller prefers (RFC 7240). Speaks Flask."""

from __future__ import annotations

from celeriac.api import present
from celeriac.api.bodies import preferred_wait
from celeriac.api.parts import parts
from celeriac.store import record
from celeriac.store.record import Record


def for_end(id: str) -> tuple[Record | None, dict[str, str]]:
    """Return the job as it is when the wait is over, and the header that says how long was waited at most.

    Nothing is waited for, and None returned, when the caller does not prefer it or every place is taken.
    """
    seconds = preferred_wait()
    if not seconds:
        return None, {}
    found = parts()
    context = found.context

    def ended() -> Record | None:
        job = record.read(context.client, context.space, id)
        return job if job.done else None

    with found.watch.place() as free:
        if not free:
            return None, {}
        job = found.watch.until(id, seconds, ended)
    return job or present.find(context, id), {"Preference-Applied": f"wait={seconds}"}
