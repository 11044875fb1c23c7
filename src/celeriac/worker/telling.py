"""Tells of the ends of jobs: a webhook to who asked for one, the Flask signal `job_finished` to who listens.

1. One worker process at a time reads the store's outbox, on a thread beside its jobs, and goes on where it was left.
2. An end is told before it leaves the outbox: at least once. A webhook's delivery is queued once all the same.
3. The same process removes, hourly, the files of jobs that are forgotten.
4. Receivers of the signal run here, in the app context; one that raises is logged, and disturbs nobody.

Speaks Flask's signals (blinker) and Celery.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blinker import Namespace
from celery.exceptions import OperationalError

from celeriac.errors import BrokerError, ExpiredJob, UnknownJob
from celeriac.store import journal, outbox, record
from celeriac.store.clients import RedisError
from celeriac.store.connection import connect
from celeriac.worker import webhook
from celeriac.worker.file import files_of
from celeriac.worker.process import space_of

if TYPE_CHECKING:
    from celeriac.store.outbox import End
    from celeriac.worker.app import CeleryApp

logger = logging.getLogger(__name__)

#: Sent by a worker in the app context when a job has ended: `receiver(app, job=…)`, a `celeriac.store.record.Record`.
job_finished = Namespace().signal("job-finished")

PACE = 0.25  # seconds between two looks
REST = 2.0  # seconds before another try, after it went wrong
HOLD = 10.0  # seconds for which the part is ours without renewal
PART = "telling"
SWEEP = 3600.0  # seconds between two looks at files that nobody needs
MOST = 50  # ends told between two renewals


@dataclass(slots=True)
class Teller:
    """The telling of one process."""

    celery: CeleryApp
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _client: Any = None
    _held_until: float = 0.0
    _next_hold: float = 0.0
    _listened: float = 0.0
    _swept: float = 0.0

    def start(self) -> Teller:
        """Begin, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="celeriac-telling", daemon=True)
        self._thread.start()
        return self

    def stop(self, seconds: float = 2.0) -> None:
        """Ask the thread to end, and wait for that."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def step(self) -> bool:
        """Tell some ends, when it is our turn; return whether there may be more at once."""
        space = space_of(self.celery)
        if self._client is None:
            self._client = connect(self.celery.settings)
        now = time.monotonic()
        if job_finished.receivers and now - self._listened > HOLD:
            outbox.want_all(self._client, space, 6 * HOLD)
            self._listened = now
        if now >= self._next_hold:
            mine = journal.hold(self._client, space, PART, self.token, HOLD)
            self._held_until = now + HOLD if mine else 0.0
            self._next_hold = now + HOLD / 4
        if now >= self._held_until:
            return False
        ends = outbox.read(self._client, space, MOST)
        for end in ends:
            self._tell(end)
            outbox.told(self._client, space, [end])
        self._sweep(now)
        return len(ends) == MOST

    def _sweep(self, now: float) -> None:
        """Remove the files of jobs that are forgotten."""
        if self._swept and now - self._swept < SWEEP:
            return
        self._swept, space = now, space_of(self.celery)
        removed = files_of(self.celery.settings).sweep(
            lambda ids: set(journal.unknown(self._client, space, ids)), self.celery.settings.retention
        )
        if removed:
            logger.info("%d files of jobs that are forgotten are removed.", removed)

    def _tell(self, end: End) -> None:
        try:
            job = record.read(self._client, space_of(self.celery), end.id)
        except (UnknownJob, ExpiredJob):
            return  # it was deleted meanwhile
        webhook.announce(self.celery, job, end)
        if not job_finished.receivers:
            return
        with self.celery.flask.app_context():
            for receiver in job_finished.receivers_for(self.celery.flask):
                try:
                    receiver(self.celery.flask, job=job)
                except Exception:
                    logger.exception("A receiver of job_finished failed for job %s.", end.id)

    def _run(self) -> None:
        pause = PACE
        while not self._stop.wait(pause):
            try:
                more, pause = True, PACE
                while more and not self._stop.is_set():
                    more = self.step()
            except (BrokerError, RedisError, OperationalError, OSError) as error:
                logger.warning("Ends of jobs cannot be told at this moment: %s", error)
                self._held_until, self._next_hold, pause = 0.0, 0.0, REST
            except Exception:  # a mistake, as a queue that does not exist, costs no end: all wait until it is mended
                logger.exception("Ends of jobs cannot be told; it is tried again.")
                self._held_until, self._next_hold, pause = 0.0, 0.0, REST
        try:
            if self._held_until:
                journal.hold(self._client, space_of(self.celery), PART, self.token, 0)
        except (BrokerError, RedisError, OSError):
            logger.debug("Redis is away; the part falls free by itself.")
