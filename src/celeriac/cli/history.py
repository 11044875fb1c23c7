"""Commands about the history: its tables, how it is, what Redis has forgotten. Speaks click."""

from __future__ import annotations

import click
from flask import current_app

from celeriac import history
from celeriac.cli.chosen import Age
from celeriac.cli.group import jobs, json_option, say
from celeriac.errors import BadRequest


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
