"""A plain Celery app whose `redis://` is our transport: its worker's scripts are the transport's alone."""

import os

from celery import Celery

from celeriac import queue
from celeriac.config import Settings

queue.install()
app = Celery("plain", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_transport_options=queue.options(Settings()),
    broker_connection_retry_on_startup=True,
)


@app.task(name="plain.add")
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y
