"""Stock Celery, tuned by its documented settings: late acknowledgement, deep prefetch, no chatter.

With BENCH_TRANSPORT=celeriac our transport carries the same app; everything else stays stock.
"""

import os
import time

from celery import Celery

URL = os.environ["BENCH_URL"]
if os.environ.get("BENCH_TRANSPORT") == "celeriac":
    import celeriac.queue

    celeriac.queue.install()
app = Celery("jobs", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=16,
    worker_redirect_stdouts=False,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    task_serializer="json",
    accept_content=["json"],
)


@app.task
def add(x, y):
    return x + y


@app.task
def nap(steps, seconds):
    for _ in range(steps):
        time.sleep(seconds)
    return steps
