"""Commands about many jobs: list them, count them; and what `cancel` and `retry` do with a filter. Speaks click."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from celeriac.actions import resource
from celeriac.actions.many import Outcome, Verb, do_to_many, fitting
from celeriac.cli import shown
from celeriac.cli.chosen import Age, Chosen, filter_options, the_history
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.errors import BadRequest
from celeriac.job import State

PIECE = 1000
WORDS = {Verb.CANCEL: "told to stop", Verb.RETRY: "queued again"}
STEPS = (60, 300, 900, 3600, 10800, 86400)
LINES = 24  # about so many steps are shown


@jobs.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at the most.")
@click.option("--page-token", default="", help="Where the page before has ended.")
@json_option
def list_jobs(chosen: Chosen, limit: int, page_token: str, as_json: bool) -> None:
    """List jobs, the newest first, long after Redis has forgotten them too."""
    registry, page = context().jobs, the_history().page_now(chosen.filter(), limit, page_token)
    items = [resource.job_resource(job, registry, operator=True) for job in page.items]
    rows = [
        (f["id"], f["task"], f["state"], f["queue"], job.created_at) for f, job in zip(items, page.items, strict=True)
    ]

    def words() -> str:
        table = shown.table(("id", "task", "state", "queue", "submitted"), rows, "No job fits.")
        return f"{table}\nNext page: --page-token {page.next_token}" if page.next_token else table

    say({"items": items, "next_page_token": page.next_token or None}, as_json, words)


@jobs.command()
@click.option("--since", type=Age(), default="1h", show_default=True, help="How far back: 30m, 12h, 7d.")
@click.option("--task", help="What happened to this task alone.")
@click.option("--queue", help="What happened on this queue alone.")
@json_option
def stats(since: float, task: str | None, queue: str | None, as_json: bool) -> None:
    """Count jobs by task and state, and what came, ended and waited over time."""
    asked, registry = the_history(), context().jobs
    spec = registry.get(task) if task else None
    step = next((one for one in STEPS if since / one <= LINES and (one >= 3600 or since < 47 * 3600)), STEPS[-1])
    until = datetime.now(UTC)
    points = asked.series(until - timedelta(seconds=since), until, step, spec.celery_name if spec else task, queue)
    counts: dict[str, Counter[str]] = {}
    for one in asked.counts():
        counts.setdefault(resource.task_name(one.task, registry), Counter())[one.state] += one.jobs
    found = {"tasks": counts, "step": step, "series": [point.as_dict() for point in points]}
    say(found, as_json, lambda: _told(counts, found["series"]))


def _told(counts: dict[str, Counter[str]], points: Any) -> str:
    states = [str(state) for state in State if any(found[state] for found in counts.values())]
    rows = [(name, *(found[state] for state in states)) for name, found in sorted(counts.items())]
    table = shown.table(("task", *states), rows, "There are no jobs.")
    times = [
        (point["at"], point["submitted"], point["succeeded"], point["failed"] + point["lost"],
         shown.span(point["wait"]["p95"]) if point["wait"] else None,
         shown.span(point["run"]["p95"]) if point["run"] else None)
        for point in points if any(point[name] for name in ("submitted", "succeeded", "failed", "cancelled", "lost"))
    ]  # fmt: skip
    heads = ("from", "submitted", "succeeded", "failed", "wait (p95)", "run (p95)")
    return f"{table}\n\n{shown.table(heads, times, 'Nothing has happened in this time.')}"


def many_options(function: Any) -> Any:
    """Give a command what it takes to act on many jobs."""
    for option in (
        click.option("--all", "every", is_flag=True, help="Every job; in place of a filter."),
        click.option("--dry-run", is_flag=True, help="Only say how many there are."),
        click.option("--yes", is_flag=True, help="Do not ask."),
    ):
        function = option(function)
    return filter_options(function)


def is_meant(ids: tuple[str, ...], chosen: Chosen, every: bool) -> bool:
    """Return whether many jobs are meant, not the ones named. Raises BadRequest when nobody can tell."""
    if sum((bool(ids), chosen.given, every)) != 1:
        raise BadRequest("Name the jobs, or give a filter, or say --all.", "`flask jobs list` takes the same filters.")
    return not ids


def do_many(verb: Verb, chosen: Chosen, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Count the jobs that fit, ask, do it, say what came of it; exit code 1 when it failed for some."""
    asked, filter = the_history(), chosen.filter()
    states = fitting(verb, filter.states)
    filter = replace(filter, states=states)
    n = asked.count(filter) if states else 0
    if dry_run or not states:
        say({"dry_run": dry_run, "count": n}, as_json, lambda: f"{_jobs(n)} would be {WORDS[verb]}.")
        return
    if not yes:
        click.confirm(f"{verb.value.capitalize()} {_jobs(n)}?", abort=True, err=True)
    found, token = Outcome(), ""
    while True:
        part = do_to_many(context(), asked, verb, lambda size, at: asked.page_now(filter, size, at), PIECE, token)
        found.done += part.done
        found.skipped += part.skipped
        found.failed += part.failed
        found.problems += part.problems
        token = part.next_token
        if not token or any(not id for id, _ in part.problems):
            break
    value = {
        "dry_run": False, "count": found.done, "skipped": found.skipped, "failed": found.failed,
        "problems": [{"id": id, "detail": detail} for id, detail in found.problems],
    }  # fmt: skip
    say(value, as_json, lambda: _came_of_it(verb, found))
    sys.exit(int(bool(found.problems)))


def _came_of_it(verb: Verb, found: Outcome) -> str:
    words = f"{_jobs(found.done)} {WORDS[verb]}, {found.skipped} skipped, {found.failed} failed."
    return "\n".join([words, *(shown.plain(f"{id} {detail}".strip()) for id, detail in found.problems)])


def _jobs(n: int) -> str:
    return "1 job" if n == 1 else f"{n} jobs"
