"""Commands about queues: list, pause, resume, purge, release; and the dead letters beside them."""

from __future__ import annotations

import click

from celeriac import actions
from celeriac.actions import resource
from celeriac.cli import shown
from celeriac.cli.dead import list_dead, purge_dead, requeue
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.store import queues

HEADS = ("queue", "ready", "in flight", "delayed", "oldest", "consumers", "paused since")


@jobs.group("queue")
def queue() -> None:
    """Look at the queues and steer them."""


@jobs.command("queues")
@json_option
def list_queues(as_json: bool) -> None:
    """List the queues: what is ready, in flight, delayed; who consumes them."""
    app = context()
    found = queues.list_queues(app.client, app.space)
    rows = [
        (q.name, q.length, q.in_flight, q.delayed, shown.span(q.oldest), q.consumers, q.paused_since) for q in found
    ]
    text = [resource.queue_resource(q) for q in found]
    say(text, as_json, lambda: shown.table(HEADS, rows, "There is no queue yet: submit a job, or start a worker."))


@queue.command()
@click.argument("name")
@json_option
def pause(name: str, as_json: bool) -> None:
    """Let no more jobs of this queue start; those that run go on."""
    changed = actions.pause(context(), name)
    words = f"Queue {name} is paused." if changed else f"Queue {name} was paused already."
    say({"queue": name, "paused": True, "changed": changed}, as_json, lambda: words)


@queue.command()
@click.argument("name")
@json_option
def resume(name: str, as_json: bool) -> None:
    """Let the jobs of this queue start again."""
    changed = actions.resume(context(), name)
    words = f"Queue {name} goes on." if changed else f"Queue {name} was not paused."
    say({"queue": name, "paused": False, "changed": changed}, as_json, lambda: words)


@queue.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(name: str, yes: bool, as_json: bool) -> None:
    """Cancel every job that is ready in this queue; what runs or is delayed stays."""
    if not yes:
        click.confirm(f"Cancel every job that is ready in queue {name}?", abort=True, err=True)
    taken, cancelled = actions.purge(context(), name)
    words = f"{taken} messages taken off queue {name}, {cancelled} jobs cancelled."
    say({"queue": name, "taken": taken, "cancelled": cancelled}, as_json, lambda: words)


@queue.command()
@click.option("--force", is_flag=True, help="Even while workers are alive: what they run may run twice.")
@json_option
def release(force: bool, as_json: bool) -> None:
    """Give delayed and in-flight messages to the plain lists, before stock Celery workers take over."""
    delayed, in_flight = actions.release(context(), force)
    words = f"{delayed} delayed and {in_flight} in-flight messages are back in their queues."
    say({"delayed": delayed, "in_flight": in_flight}, as_json, lambda: words)


queue.add_command(list_queues, "list")
queue.add_command(list_dead, "dead")
queue.add_command(requeue, "requeue")
queue.add_command(purge_dead, "purge-dead")
