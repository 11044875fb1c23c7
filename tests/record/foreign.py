"""Celery tasks of a class that does not know of ours, as an app brings them with `base=`."""

from __future__ import annotations

import time
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore

from tests.record.jobs import add, note


class Foreign(Task):  # type: ignore[type-arg]
    """Another base than the app's own."""


@shared_task(base=Foreign, bind=True)
def late(self: Any, how: str = "", queue_after: str = "") -> str:
    if how == "ignore":
        raise Ignore("not today")
    if how == "replace":
        return str(self.replace(add.s(1, 2).set(queue=queue_after)))
    return "done"


@shared_task(base=Foreign, acks_late=False)
def early(seconds: float = 0.0, ledger: str = "") -> str:
    note(ledger, "began")
    time.sleep(seconds)
    return "done"
