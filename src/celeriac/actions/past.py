"""What one may ask of a job that the history alone remembers: how it was, to run it again, to forget it.

Its record and its log are gone from Redis. HTTP and the command line call these, so that both say the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celeriac.actions.context import Context
from celeriac.actions.jobs import bind
from celeriac.errors import Conflict, ExpiredJob, HistoryError, HistoryUnfit, UnknownJob
from celeriac.job import State
from celeriac.store import journal, record
from celeriac.store.record import Record

if TYPE_CHECKING:
    from celeriac.history.house import History
    from celeriac.worker.schedules import Schedule

logger = logging.getLogger(__name__)


def find(context: Context, history: History, id: str) -> tuple[Record, bool]:
    """Return a job, and whether it lives in Redis. Raises UnknownJob, ExpiredJob, HistoryUnavailable: nobody can tell
    whether it ever was."""
    try:
        return record.read(context.client, context.space, id), True
    except (UnknownJob, ExpiredJob):
        job = remembered(context, history, id)
        if job is None:
            raise
        return job, False


def remembered(context: Context, history: History, id: str) -> Record | None:
    """Return a job that Redis has forgotten; None for one that it knows, or that was deleted, or never was."""
    if not history.on or journal.unknown(context.client, context.space, [id]).get(id) in (None, "deleted"):
        return None
    try:
        return history.find(id)
    except HistoryUnfit:  # no tables yet: nothing is remembered
        return None


def last_run(history: History, schedule: Schedule) -> tuple[str, datetime] | None:
    """Return id and time of the last job that beat submitted for a schedule; None where nobody knows it."""
    if not history.on:
        return None
    try:
        return history.last_scheduled(schedule.task, schedule.name)
    except HistoryError as error:  # what is scheduled is told all the same
        logger.warning("The last run of %s is not known: %s", schedule.name, error)
        return None


def result_of(job: Record) -> Any:
    """Return the result that the history has kept. Raises Conflict without one, ExpiredJob where it was too large."""
    if job.state is not State.SUCCEEDED:
        raise Conflict(f"Job {job.id} is {job.state}: it has no result.", "Look at the job itself.")
    if job.result is None and job.extra.get("unkept"):
        raise ExpiredJob(f"The result of job {job.id} is kept no more.", "Retry the job, if that makes it again.")
    return job.result


def gone(job: Record, what: str) -> ExpiredJob:
    """Return what is said of that which is kept as long as the record alone."""
    return ExpiredJob(
        f"The {what} of job {job.id} is gone: it ended, and its record is past its retention.",
        "The job itself is kept in the history.",
    )


def retry(context: Context, history: History, job: Record, arguments: Mapping[str, Any] | None = None) -> None:
    """Run such a job once more, under its id, with the arguments that the history kept or with others.

    Raises Conflict when it has not ended as far as the history knows, or its arguments were not kept;
    InvalidArguments, BrokerUnavailable.
    """
    _has_ended(job)
    edited = None if arguments is None else bind(context, job, arguments)
    if edited is not None:
        context.claim(job.task, job.id, edited)
    if not history.run_again(job.id, edited):
        raise Conflict(f"The arguments of job {job.id} were too large to keep.", "Give them again.")


def not_there(job: Record) -> Conflict:
    """Return what is said to who wants to cancel such a job."""
    if job.done:
        return Conflict(f"Job {job.id} has {job.state} already.", "What has ended cannot be cancelled.")
    return _unfinished(job)


def delete(context: Context, job: Record) -> None:
    """Let the history forget such a job. Raises Conflict when it has not ended as far as it knows."""
    _has_ended(job)
    record.forget(context.client, context.space, job.id)


def _has_ended(job: Record) -> None:
    if not job.done:
        raise _unfinished(job)


def _unfinished(job: Record) -> Conflict:
    return Conflict(
        f"Job {job.id} is {job.state} for all that the history knows, and Redis has forgotten it.",
        "`flask jobs reconcile` queues it again.",
    )
