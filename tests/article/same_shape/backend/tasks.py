"""Tasks by `current_app.task`."""

import time

from celery import current_app


@current_app.task
def add(x, y):
    return x + y


@current_app.task
def long_task():
    for i in range(3):
        print(f"Running step {i}...")
        time.sleep(0.01)
    return "Task complete!"
