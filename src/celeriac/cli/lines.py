"""Submits a job for each line of a file. Speaks click."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any

import click

from celeriac import actions
from celeriac.actions import Context
from celeriac.errors import BrokerUnavailable, CeleriacError
from celeriac.registry.body import MAX_BODY, parse_object

BATCH = 1000  # lines


def submit_lines(app: Context, task: str, lines: IO[bytes], options: Mapping[str, Any], as_json: bool) -> None:
    """Print the id of each line's job, or on standard error why it was not queued; end with the first error's code.

    With `as_json` each line is answered by one of JSON, `{"id": …}` or `{"line": …, "error": …}`. When Redis is away,
    no more is read: what was printed is queued.
    """
    app.jobs.find(task)
    code, number, away = 0, 0, False
    filled = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
    while batch := list(islice(filled, BATCH)):
        for number, answer in _answers(app, task, batch, options):
            if isinstance(answer, CeleriacError):
                code = code or answer.exit_code
                away = away or isinstance(answer, BrokerUnavailable)
            _say(number, answer, as_json)
        if away:
            click.echo(f"Stopped at line {number}: what was printed is queued.", err=True)
            break
    if code:
        raise click.exceptions.Exit(code)


def _answers(
    app: Context, task: str, batch: list[tuple[int, bytes]], options: Mapping[str, Any]
) -> Iterator[tuple[int, str | CeleriacError]]:
    found = dict[int, Any]()
    for number, line in batch:
        try:
            found[number] = parse_object(line, MAX_BODY)
        except CeleriacError as error:
            found[number] = error
    fit = {number: given for number, given in found.items() if not isinstance(given, CeleriacError)}
    found |= zip(fit, actions.submit_many(app, task, fit.values(), **options), strict=True)
    yield from found.items()


def _say(number: int, answer: str | CeleriacError, as_json: bool) -> None:
    if isinstance(answer, str):
        click.echo(json.dumps({"id": answer}) if as_json else answer)
    elif as_json:
        click.echo(json.dumps({"line": number, "error": answer.message}))
    else:
        faults = "; ".join(
            f"{e['pointer'].lstrip('/') or 'arguments'} {e['detail']}" for e in getattr(answer, "errors", [])
        )
        click.echo(f"Line {number}: {answer.message} {faults}".rstrip(), err=True)
