"""A worker inside this process, for tests of an app. Speaks Celery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery
from celery.contrib.testing.worker import start_worker


@contextmanager
def embedded_worker(celery: Celery, threads: int = 4) -> Iterator[None]:
    """Do the app's jobs in threads of this process; jobs that still run at the end are waited for."""
    with start_worker(celery, concurrency=threads, pool="threads", perform_ping_check=False, shutdown_timeout=60.0):
        yield
