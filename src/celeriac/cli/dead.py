"""Commands about dead letters: list, show, requeue, purge."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from celeriac import actions
from celeriac.actions import resource
from celeriac.cli import shown
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.errors import BadRequest, UnknownJob
from celeriac.store import dead


@jobs.group("dead", invoke_without_command=True)
@click.option("--size", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--after", metavar="ID", help="Those before this letter in time.")
@json_option
@click.pass_context
@with_appcontext
def list_dead(ctx: click.Context, size: int, after: str | None, as_json: bool) -> None:
    """List dead letters, the newest first: jobs lost too often, messages that nobody can read."""
    if ctx.invoked_subcommand is not None:
        return
    app = context()
    last = _find(after) if after else None
    letters = dead.list_letters(app.client, app.space, size, dead.cursor(last) if last else None)
    found = [resource.letter_resource(letter, app.jobs) for letter in letters]
    rows = [(f["id"], letter.at, f["task"], f["queue"], f["reason"]) for f, letter in zip(found, letters, strict=True)]
    heads = ("dead letter", "since", "task", "queue", "reason")
    say(found, as_json, lambda: shown.table(heads, rows, "There are no dead letters."))


@list_dead.command("show")
@click.argument("id")
@json_option
def show_dead(id: str, as_json: bool) -> None:
    """Show a dead letter with its message."""
    found = resource.letter_resource(_find(id), context().jobs, message=True)
    say(found, as_json, lambda: "\n".join(f"{k.ljust(8)} {shown.plain(v)}" for k, v in found.items()))


@list_dead.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
@json_option
def requeue(ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Give dead letters another run, at the tail of their queue, with their losses forgotten."""
    queued, refused = actions.requeue(context(), _chosen(ids, every))
    words = f"{len(queued)} queued again." + (f" {len(refused)} can be read by nobody." if refused else "")
    say({"queued": queued, "refused": refused}, as_json, lambda: words)


@list_dead.command("purge")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
@json_option
def purge_dead(ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Throw dead letters away; their jobs stay lost."""
    n = actions.purge_dead(context(), _chosen(ids, every))
    say({"purged": n}, as_json, lambda: f"{n} thrown away.")


def _chosen(ids: tuple[str, ...], every: bool) -> tuple[str, ...] | None:
    if bool(ids) == every:
        raise BadRequest("Name the dead letters, or say --all.", "`flask jobs dead` lists them.")
    return None if every else ids


def _find(id: str) -> dead.Letter:
    app = context()
    letter = dead.find(app.client, app.space, id)
    if letter is None:
        raise UnknownJob(f"No dead letter has the id {id[:100]!r}.", "`flask jobs dead` lists them.")
    return letter
