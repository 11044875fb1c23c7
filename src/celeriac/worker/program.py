"""Speaks Celery's worker program: a cold stop (SIGQUIT, or Ctrl-C twice) gives back what runs, from every pool.

Celery's own cancels each running job in the signal's handler: a solo job fails of it, a greenlet's message is
acknowledged unfinished, and threads, which nobody can cancel, hold the worker up.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

from billiard import current_process
from billiard.common import REMAP_SIGTERM
from celery import platforms as celery_platforms
from celery import signals
from celery.apps import worker
from celery.platforms import EX_FAILURE
from celery.worker import state as worker_state

celery_worker: Any = worker  # the stubs lack half of these
platforms: Any = celery_platforms
state: Any = worker_state
CeleryWorker: Any = celery_worker.Worker


class Worker(CeleryWorker):
    """Its cold stop is a warm one with another grace: Celery's `worker_soft_shutdown_timeout`, 0 unless set."""

    def setup_logging(self, colorize: bool | None = None) -> Any:
        """Let the program's log begin with what matters: Alembic tells of each of its plugins."""
        made = super().setup_logging(colorize)
        if (alembic := logging.getLogger("alembic")).level == logging.NOTSET:
            alembic.setLevel(logging.WARNING)
        return made

    def install_platform_tweaks(self, worker: Any) -> None:
        """Answer the signals; stop.py bounds the stop."""
        super().install_platform_tweaks(worker)
        celery_worker.install_worker_int_handler(self, callback=self._interrupted)
        self._listen("SIGQUIT", *(["SIGTERM"] if REMAP_SIGTERM == "SIGQUIT" else []))

    def _interrupted(self, _: Any) -> None:
        celery_worker.safe_say("worker: Ctrl-C once more gives back what runs, and ends at once.", sys.__stdout__)
        self._listen("SIGINT")

    def _listen(self, *names: str) -> None:
        for name in names:
            platforms.signals[name] = partial(self._stop_cold, name)

    def _stop_cold(self, name: str, *_: Any) -> None:
        if current_process()._name != "MainProcess":  # a terminal's Ctrl-\ reaches the pool's children, too
            return
        platforms.signals.reset("SIGINT", "SIGQUIT")  # once more, and it ends without a word
        celery_worker.safe_say("worker: Cold shutdown (MainProcess)", sys.__stdout__)
        signals.worker_shutting_down.send(sender=self.hostname, sig=name, how="Cold", exitcode=EX_FAILURE)
        state.should_stop = EX_FAILURE
