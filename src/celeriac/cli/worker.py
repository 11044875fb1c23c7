"""Commands about workers: list, resize, shutdown."""

from __future__ import annotations

import click

from celeriac import actions
from celeriac.actions import resource
from celeriac.cli import shown
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.store import workers

HEADS = ("worker", "queues", "slots", "running", "done", "state")


@jobs.group("worker")
def worker() -> None:
    """Look at the workers and steer them."""


@jobs.command("workers")
@json_option
def list_workers(as_json: bool) -> None:
    """List the workers that were heard in the last minute."""
    app = context()
    found = workers.list_workers(app.client, app.space)
    rows = [(w.name, w.queues, f"{w.concurrency} {w.pool}", w.running, w.total, _state(w)) for w in found]
    empty = "No worker is running: start one (`celery -A <your app> worker`)."
    say([resource.worker_resource(w) for w in found], as_json, lambda: shown.table(HEADS, rows, empty))


@worker.command()
@click.argument("name")
@click.argument("size", type=click.IntRange(1, 1000))
@json_option
def resize(name: str, size: int, as_json: bool) -> None:
    """Let a worker run so many jobs at once, until it ends."""
    found = actions.resize(context(), name, size)
    say(resource.worker_resource(found), as_json, lambda: f"Worker {name} has {found.concurrency} slots.")


@worker.command()
@click.argument("name")
@json_option
def shutdown(name: str, as_json: bool) -> None:
    """Let a worker end: what runs may finish within its grace, the rest goes back."""
    found = actions.shut_down(context(), name)
    say(resource.worker_resource(found), as_json, lambda: f"Worker {name} ends; it takes no more jobs.")


def _state(found: workers.Worker) -> str:
    return "silent" if not found.alive else "stopping" if found.stopping else "alive"


worker.add_command(list_workers, "list")
