"""The same app with logging of its own: `celery -A tests.record.own_logging_app`."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals

from tests.record.jobs_app import celery

__all__ = ["celery"]


@signals.setup_logging.connect
def _set_up(**_: Any) -> None:
    logging.basicConfig(level=logging.INFO, format="own %(message)s")
