"""Commands about jobs: submit, show, cancel, retry, delete, tasks."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import IO, Any

import click
from flask import current_app

from celeriac import actions, history
from celeriac.actions import past, resource
from celeriac.actions.many import Verb
from celeriac.cli import shown
from celeriac.cli.chosen import Chosen
from celeriac.cli.given import given
from celeriac.cli.group import OUTCOMES, context, jobs, json_option, say
from celeriac.cli.lines import submit_lines
from celeriac.cli.many import do_many, is_meant, many_options
from celeriac.cli.watch import watch_to_the_end
from celeriac.errors import BadRequest
from celeriac.job import State
from celeriac.store import record

TIMED_OUT = 124  # as timeout(1)

wait_options = [
    click.option("--wait", is_flag=True, help="Wait for the end; the exit code tells the outcome."),
    click.option("--timeout", type=click.FloatRange(min=0), help="Wait at most so many seconds (then exit 124)."),
]


def _with_wait(function: Any) -> Any:
    for option in reversed(wait_options):
        function = option(function)
    return function


@jobs.command()
@click.argument("task")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--arguments", metavar="JSON", help="The arguments as a JSON object; NAME=VALUE changes single ones.")
@click.option("--delay", type=float, help="Start in so many seconds.")
@click.option("--at", type=str, help="Start at this time (ISO 8601 with zone).")
@click.option("--queue", help="Another queue than the task's own.")
@click.option("--priority", type=int, help="0 (most urgent) to 9.")
@click.option("--watch", is_flag=True, help="Watch it to its end: log lines and how far it is.")
@click.option(
    "--many",
    type=click.File("rb"),
    metavar="FILE",
    help="A job for each line of FILE (`-`: input), a JSON object each.",
)
@_with_wait
@json_option
def submit(
    task: str,
    values: tuple[str, ...],
    arguments: str | None,
    delay: float | None,
    at: str | None,
    queue: str | None,
    priority: int | None,
    watch: bool,
    many: IO[bytes] | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Submit a job of TASK; print its id, or with --wait its result."""
    app = context()
    options = {"delay": delay, "run_at": _moment(at), "queue": queue, "priority": priority}
    if many is not None:
        if values or arguments is not None or watch or wait:
            raise click.UsageError("--many brings all arguments, and does not wait.")
        return submit_lines(app, task, many, options, as_json)
    id = actions.submit(app, task, given(app.jobs.find(task), values, arguments) or {}, **options)  # type: ignore[arg-type]
    if watch:
        watch_to_the_end(id, as_json)
    elif wait:
        _wait(id, timeout, as_json)
    else:
        say(_resource(id) if as_json else id, as_json, lambda: id)


@jobs.command()
@click.argument("id")
@click.option("--log", is_flag=True, help="Also what the job printed and logged.")
@json_option
def show(id: str, log: bool, as_json: bool) -> None:
    """Show a job: its state, why it waits, how far it is, how it ended."""
    app = context()
    job, lives = look_up(id)
    if log and not lives:
        raise past.gone(job, "log")
    found = _resource(id, job)
    lines = record.log(app.client, app.space, id) if log else []
    if log:
        found["log"] = [resource.line_resource(line) for line in lines]
    said = [f"{shown.clock(line.at) if line.at else '-'}  {shown.plain(line.text)}" for line in lines]
    say(found, as_json, lambda: "\n".join([shown.job(found), *said]))


@jobs.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@many_options
@json_option
def cancel(ids: tuple[str, ...], chosen: Chosen, every: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Cancel jobs, named or by a filter: a waiting one never starts, a running one stops at its next step."""
    if is_meant(ids, chosen, every):
        return do_many(Verb.CANCEL, chosen, dry_run, yes, as_json)
    states = {id: _cancel(id).value for id in ids}
    say(states, as_json, lambda: "\n".join(f"{id} {state}" for id, state in states.items()))


@jobs.command()
@click.argument("id", required=False)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--arguments", metavar="JSON", help="Other arguments, as a JSON object.")
@_with_wait
@many_options
@json_option
def retry(
    id: str | None,
    values: tuple[str, ...],
    arguments: str | None,
    wait: bool,
    timeout: float | None,
    chosen: Chosen,
    every: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Run a job that ended once more, under its id; NAME=VALUE replaces all its arguments. Or all that fit a filter:
    those that failed or were lost, unless --state says others."""
    if is_meant((id,) if id else (), chosen, every) or id is None:
        if wait or arguments is not None:
            raise BadRequest("Many jobs run again as they were, and are not waited for.")
        return do_many(Verb.RETRY, chosen, dry_run, yes, as_json)
    app = context()
    job, lives = look_up(id)
    edited = given(app.jobs.by_celery_name(job.task), values, arguments)
    if lives:
        actions.retry(app, id, edited)
    else:
        past.retry(app, history.of(current_app), job, edited)
    if wait:
        _wait(id, timeout, as_json)
    else:
        say({"id": id, "state": "queued"}, as_json, lambda: f"{id} queued")


@jobs.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def delete(ids: tuple[str, ...], as_json: bool) -> None:
    """Forget jobs that ended: record, log and result."""
    app = context()
    for id in ids:
        job, lives = look_up(id)
        if lives:
            actions.delete(app, id)
        else:
            past.delete(app, job)
    say(dict.fromkeys(ids, "deleted"), as_json, lambda: "\n".join(f"{id} deleted" for id in ids))


@jobs.command()
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks that can be submitted, with their arguments."""
    specs = list(context().jobs.values())
    found = [{"name": s.name, "queue": s.queue, "summary": s.summary, "arguments": s.schema} for s in specs]
    rows = [(shown.signature(spec), spec.queue, spec.summary) for spec in specs]
    empty = "This app has no jobs: decorate a function with @job."
    say(found, as_json, lambda: shown.table(("task", "queue", "what it does"), rows, empty))


def look_up(id: str) -> tuple[record.Record, bool]:
    """Return the job, and whether it lives in Redis. Raises UnknownJob, ExpiredJob."""
    return past.find(context(), history.of(current_app), id)


def _cancel(id: str) -> State:
    job, lives = look_up(id)
    if not lives:
        raise past.not_there(job)
    return actions.cancel(context(), id)


def _resource(id: str, job: record.Record | None = None) -> dict[str, Any]:
    app = context()
    job = job or record.read(app.client, app.space, id)
    return resource.job_resource(job, app.jobs, actions.waiting(app, job), operator=True)


def _wait(id: str, timeout: float | None, as_json: bool) -> None:
    """Wait for the job's end, print its result and leave with the outcome's exit code."""
    try:
        job = actions.wait(context(), id, timeout, None if as_json else _tell())
    except KeyboardInterrupt:
        click.echo(f"\nThe job goes on: flask jobs show {id}", err=True)
        sys.exit(130)
    found = _resource(id, job)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo(shown.outcome(found), err=True)
        if job.state is State.SUCCEEDED:
            click.echo(json.dumps(job.result, ensure_ascii=False))
        elif not job.done:
            sentence = (found["waiting"] or {}).get("sentence", "It is running.")
            click.echo(f"It has not ended in {timeout:g} s. {sentence}", err=True)
    sys.exit(OUTCOMES.get(job.state, TIMED_OUT))


def _tell() -> Any:
    """Return what says on the terminal why a job waits and how far it is, each thing once."""
    app, told = context(), [""]

    def tell(job: record.Record) -> None:
        far = resource.progress_resource(job)
        why = None if far else actions.waiting(app, job)
        news = f"{job.state} {shown.progress_words(far)}" if far else f"{job.state} {why.reason if why else ''}"
        if news != told.pop():  # a place in a queue may change every second: the reason is said once
            click.echo(shown.plain(f"□ {job.id} " + (f"{job.state}: {why.sentence}" if why else news)), err=True)
        told.append(news)

    return tell


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise BadRequest(f"{text!r} is no time.", "Write it as in 2030-01-31T12:00:00+00:00.") from None
