"""Speaks Celery's signals: a worker that is asked to stop ends within its grace, and loses nothing.

1. SIGTERM: Celery stops consuming and waits for what runs; a native thread starts to count.
2. SIGQUIT, or Ctrl-C twice (program.py): the same, with the grace that Celery's soft stop has, or with none.
3. Everything done in time: Celery exits by itself, the thread with it.
4. Grace over: pool children end, every delivery goes back to its queue, what is finished is written, the process ends.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from typing import Any

from billiard.process import active_children
from celery import signals

from celeriac.queue import native
from celeriac.store import workers
from celeriac.store.clients import RedisError
from celeriac.worker.process import process_of, settings_of

logger = logging.getLogger(__name__)

FLUSH = 2.0  # seconds for the last writes


def install(app: Any) -> None:
    """Bound the stop of this app's workers by `CELERIAC_GRACE`, or by what a cold stop has."""

    def stopping(how: str, exitcode: int, **_: Any) -> None:
        kept = process_of(app)
        grace = app.conf.worker_soft_shutdown_timeout if how == "Cold" else settings_of(app).grace
        if kept.table is not None:
            kept.table.wake()  # the consumer sees at once that it is to stop
            native.start(lambda: _end(kept.table, kept.writer, grace, exitcode))

    def stopped(**_: Any) -> None:
        kept = process_of(app)
        if kept.writer is not None:
            kept.writer.close(settings_of(app).grace)
        if kept.table is not None:
            _leave(kept.table)

    signals.worker_shutdown.connect(stopped, weak=False, dispatch_uid=f"celeriac-stopped-{id(app)}")
    signals.worker_shutting_down.connect(stopping, weak=False, dispatch_uid=f"celeriac-stop-{id(app)}")


def _end(table: Any, writer: Any, grace: float, exitcode: int) -> None:
    native.sleep(grace)
    logger.warning("The grace of %g s is over: unfinished jobs go back to their queues.", grace)
    try:
        _give_back(table, writer)
    except (RedisError, OSError) as error:
        logger.warning("Redis is away: unfinished jobs run again when their leases end. %s", error)
    except Exception:  # whatever it is, a worker that stays would be worse
        logger.exception("Unfinished jobs did not go back, and run again when their leases end.")
    logging.shutdown()
    os._exit(exitcode)


def _give_back(table: Any, writer: Any) -> None:
    table.closed = True  # from now on a child's end is ours, not a loss
    for child in active_children():
        with suppress(ProcessLookupError):  # it ended in this moment
            os.kill(child.pid, signal.SIGKILL)
    if writer is not None:
        writer.close(FLUSH)
    table.close(table.connect(), "worker stopped")
    _leave(table)


def _leave(table: Any) -> None:
    """Nobody counts on this worker any more: its queues have one consumer less at once."""
    name, table.worker = table.worker, ""  # its next heartbeat says nothing of a worker
    try:
        workers.forget(table.connect(), table.space, name)
    except (RedisError, OSError) as error:
        logger.warning("Redis is away: this worker is listed until it is forgotten. %s", error)
