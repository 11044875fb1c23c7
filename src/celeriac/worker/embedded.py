"""A worker inside this process, for tests of an app. Speaks Celery."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery
from celery.contrib.testing.worker import start_worker

LOGGERS = ("", "celery", "celery.task", "celery.redirected", "multiprocessing")  # those that a worker sets up


@contextmanager
def embedded_worker(celery: Celery, threads: int = 4) -> Iterator[None]:
    """Do the app's jobs in threads of this process; jobs that still run at the end are waited for."""
    with _logging_kept(celery) as level, start_worker(
        celery, concurrency=threads, pool="threads", loglevel=level, perform_ping_check=False, shutdown_timeout=60.0
    ):  # fmt: skip
        yield


@contextmanager
def _logging_kept(celery: Celery) -> Iterator[int]:
    """Give the level of logging here, and put back what a worker, which thinks the process its own, makes of it."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    kept = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    streams, hijack = (sys.stdout, sys.stderr), celery.conf.worker_hijack_root_logger
    celery.conf.worker_hijack_root_logger = False  # handlers that stand already, as pytest's, go on hearing
    try:
        yield logging.getLogger().level
    finally:
        celery.conf.worker_hijack_root_logger = hijack
        logging.captureWarnings(False)
        sys.stdout, sys.stderr = streams
        for logger, level, propagate, handlers in kept:
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers
