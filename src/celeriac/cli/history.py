"""Commands about the history: list and search, its tables, what Redis has forgotten. Speaks click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from celeriac import history
from celeriac.actions import resource
from celeriac.cli import shown
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.errors import BadRequest
from celeriac.job import State

if TYPE_CHECKING:
    from celeriac.history.house import History

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Age(click.ParamType[float]):
    """A length of time: `90s`, `30m`, `12h`, `7d`; a bare number is seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        number, unit = (value[:-1], value[-1]) if value[-1:] in UNITS else (value, "s")
        try:
            return float(number) * UNITS[unit]
        except ValueError:
            self.fail(f"{value!r} is no length of time; as 90s, 30m, 12h or 7d.", param, ctx)


def _history() -> History:
    context()  # every task known, so that names can be told
    return history.of(current_app)


@jobs.command("history")
@click.option("--state", "states", multiple=True, type=click.Choice([str(s) for s in State]), help="May be repeated.")
@click.option("--task", help="The task's name, or Celery's name for it.")
@click.option("--queue", help="The queue's name.")
@click.option("--owner", help="Who submitted it.")
@click.option("--text", help="Words in arguments or error; `word*` is a beginning.")
@click.option("--since", type=Age(), help="Submitted at most so long ago: 90s, 30m, 12h, 7d.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at the most.")
@click.option("--page-token", default="", help="Where the page before has ended.")
@json_option
def list_history(
    states: tuple[str, ...],
    task: str | None,
    queue: str | None,
    owner: str | None,
    text: str | None,
    since: float | None,
    limit: int,
    page_token: str,
    as_json: bool,
) -> None:
    """List jobs, the newest first, long after Redis has forgotten them too."""
    from celeriac.history.filters import Filter

    registry = context().jobs
    spec = registry.get(task) if task else None
    after = datetime.now(UTC) - timedelta(seconds=since) if since is not None else None
    named = spec.celery_name if spec else task
    filter = Filter(tuple(State(state) for state in states), named, queue, owner, text, after)
    page = _history().page(filter, limit, page_token)
    items = [resource.job_resource(job, registry, operator=True) for job in page.items]
    rows = [
        (job.id, resource.task_name(job.task, registry), job.state, job.queue, job.created_at) for job in page.items
    ]

    def words() -> str:
        table = shown.table(("id", "task", "state", "queue", "submitted"), rows, "No job fits.")
        return f"{table}\nNext page: --page-token {page.next_token}" if page.next_token else table

    say({"items": items, "next_page_token": page.next_token}, as_json, words)


@jobs.group("db")
def database() -> None:
    """The history's database: its tables, its health, its size."""


@database.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the tables up to date; of two at once the second finds it done."""
    before, now = history.of(current_app).upgrade()
    done = "were up to date" if before == now else f"came from version {before}" if before else "are new"
    say({"before": before, "now": now}, as_json, lambda: f"The tables {done}, version {now}.")


@database.command()
@json_option
def status(as_json: bool) -> None:
    """Say how far the history is, who copies, and whether something is missing."""
    asked = history.of(current_app)
    found, (version, newest) = asked.status(), asked.version()
    value = {**found.as_dict(), "holder": found.holder, "version": version, "newest": newest, "gaps": asked.gaps()}

    def words() -> str:
        if not found.on:
            return "The history is off (CELERIAC_HISTORY)."
        lines = [
            f"tables   version {version or 'none'}" + ("" if version == newest else f", needed {newest}: run upgrade"),
            f"copying  {found.holder or 'nobody'}" + (f", {found.lag:.1f} s behind" if found.lag else ""),
            f"gaps     {len(value['gaps'])} noted" + (", one is being completed" if found.gap else ""),
        ]
        return "\n".join([*lines, f"error    {found.error}"] if found.error else lines)

    say(value, as_json, words)


@database.command()
@click.option("--older-than", type=Age(), help="As 30d; without it, CELERIAC_HISTORY_RETENTION.")
@json_option
def prune(older_than: float | None, as_json: bool) -> None:
    """Forget jobs that ended long ago."""
    n = history.of(current_app).prune(older_than)
    say({"forgotten": n}, as_json, lambda: f"{n} jobs forgotten.")


@jobs.command()
@json_option
def reconcile(as_json: bool) -> None:
    """Queue again what Redis has forgotten and had not finished; safe at any time."""
    asked = history.of(current_app)
    if not asked.on:
        raise BadRequest("There is no history to restore from.", "CELERIAC_HISTORY is off.")
    found = asked.reconcile()
    value = {"restored": found.restored, "cancelled": found.cancelled, "lost": found.lost, "ended": found.ended}
    say(value, as_json, lambda: ", ".join(f"{n} {word}" for word, n in value.items()) + ".")
