"""The group `flask jobs` and what its commands share. Speaks click and Flask's command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, Any, TypeVar

import click
from flask import current_app
from flask.cli import AppGroup

from celeriac.actions import Context
from celeriac.errors import CeleriacError, JobCancelled
from celeriac.job import State
from celeriac.registry.problem import problem_of

Function = TypeVar("Function", bound=Callable[..., Any])
JSON_WANTED = "celeriac.json"
#: The exit code of a command that waited for a job's end; others are those of celeriac.errors.
OUTCOMES = {State.SUCCEEDED: 0, State.FAILED: 1, State.CANCELLED: JobCancelled.exit_code, State.LOST: 7}


class Refused(click.ClickException):
    """An error of ours at the command line: its sentence, its hint, its exit code."""

    def __init__(self, error: CeleriacError, as_json: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.as_json = as_json
        self.exit_code = error.exit_code  # type: ignore[misc]  # click means a class, we an error

    def show(self, file: IO[Any] | None = None) -> None:
        if self.as_json:
            click.echo(problem_of(self.error).model_dump_json(exclude_defaults=True), err=True)
            return
        click.echo(f"Error: {self.error.message}", err=True)
        for entry in getattr(self.error, "errors", []):
            click.echo(f"  {entry['pointer'].lstrip('/') or 'arguments'} {entry['detail']}", err=True)
        if self.error.hint:
            click.echo(self.error.hint, err=True)


class Jobs(AppGroup):
    """Says errors of ours as sentences."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CeleriacError as error:
            raise Refused(error, bool(ctx.meta.get(JSON_WANTED))) from error


@click.group("jobs", cls=Jobs)
def jobs() -> None:
    """Submit jobs, watch them, steer their queues."""


def _want_json(ctx: click.Context, _: click.Parameter, wanted: bool) -> bool:
    if wanted:
        ctx.meta[JSON_WANTED] = True
    return wanted


def json_option(function: Function) -> Function:
    """Give a command `--json`: its answer, and its errors, as JSON."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_want_json, is_eager=True, help="Answer in JSON, for programs."
    )(function)


def context() -> Context:
    """Return what actions need of the current app."""
    found: Context = current_app.extensions["celeriac"].context
    return found


def say(value: Any, as_json: bool, words: Callable[[], str]) -> None:
    """Print a value as JSON, or the words for it."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if as_json else words())
