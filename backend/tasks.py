"""The app's jobs: each runs in a worker, in the app context."""

import time

from celeriac import job, track


@job
def add(x: int | float, y: int | float) -> int | float:
    """Add two numbers."""
    return x + y


@job(queue="io")  # it mostly waits: the lane with many threads, so that others need not wait for it
def long_task(steps: int = 300, seconds: float = 10.0) -> str:
    """Simulate a long-running piece of work."""
    for i in track(range(steps)):
        print(f"Running step {i}...")
        time.sleep(seconds)  # Simulate a time-consuming task
    return "Task complete!"
