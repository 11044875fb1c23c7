"""Commands that watch: `watch`, and what `submit --watch` does. Log lines and a bar for people, events for programs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import click
from flask import current_app

from celeriac import history
from celeriac.actions import past, resource
from celeriac.cli import shown
from celeriac.cli.group import OUTCOMES, context, jobs, json_option
from celeriac.errors import BrokerUnavailable
from celeriac.job import State
from celeriac.store import record
from celeriac.watch.event import Event, Kind
from celeriac.watch.follow import follow

WIDTH = 24  # cells of the bar
GONE = 4  # exit code for a job that there is no record of any more, as of UnknownJob and ExpiredJob


@jobs.command()
@click.argument("id")
@json_option
def watch(id: str, as_json: bool) -> None:
    """Watch a job until it ends: log lines, how far it is, its result; the exit code tells the outcome."""
    app = context()
    job, lives = past.find(app, history.of(current_app), id)
    if not lives:
        raise past.gone(job, "stream of events")
    watch_to_the_end(id, as_json)


def watch_to_the_end(id: str, as_json: bool) -> None:
    """Show what happens to the job until it ends, print its result, and leave with the outcome's exit code."""
    app = context()
    screen: Screen | Events = Events() if as_json else Screen()
    try:
        with closing(follow(app.client, app.space, id, screen.away)) as told:
            for event in told:
                screen.show(event)
        sys.exit(screen.end(event, lambda: _ended(id)))
    except KeyboardInterrupt:
        screen.leave()
        click.echo(f"The job goes on: flask jobs watch {id}", err=True)
        sys.exit(130)


def _ended(id: str) -> dict[str, Any]:
    app = context()
    return resource.job_resource(record.read(app.client, app.space, id), app.jobs, operator=True)


class Events:
    """For programs: each event as a line of JSON, as the streams have them."""

    def show(self, event: Event) -> None:
        told = {"id": str(event.number), "event": event.kind.value, "data": dict(event.data)}
        click.echo(json.dumps(told, ensure_ascii=False))

    def away(self, error: BrokerUnavailable) -> None:
        click.echo(error.message, err=True)

    def leave(self) -> None:
        """Nothing is unfinished."""

    def end(self, last: Event, _: Callable[[], dict[str, Any]]) -> int:
        return _code(last)


class Screen:
    """For people: log lines as they come, below them, on a terminal, how far the job is."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._bar = ""
        self._said = ""
        self._away = False
        self._began: float | None = None

    def show(self, event: Event) -> None:
        data = event.data
        self._away = False
        if event.kind is Kind.LOG:
            self._say(f"{_clock(data['at'])}  {shown.plain(data['text'])}")
        elif event.kind is Kind.PROGRESS:
            self._progress(data)
        elif event.kind is Kind.RESET:
            self._say("Some of what it said is not kept any more; this is how it stands.")
            for line in data["log"]:
                self._say(f"{_clock(line['at'])}  {shown.plain(line['text'])}")
            if data["progress"]:
                self._progress(data["progress"])
        elif event.kind is Kind.STATE:
            self._state(data)

    def away(self, error: BrokerUnavailable) -> None:
        """Say once that Redis is away; the job goes on, and so does this."""
        if not self._away:
            self._say(f"{error.message} Waiting for it.")
        self._away = True

    def leave(self) -> None:
        """Take the bar off the terminal."""
        with self._without_bar():
            self._bar = ""

    def end(self, last: Event, ended: Callable[[], dict[str, Any]]) -> int:
        """Print how it ended, and its result, and return the exit code."""
        self.leave()
        if last.data["state"] is None:
            click.echo(f"There is no record of job {last.job} any more.", err=True)
            return GONE
        job = ended()
        click.echo(shown.outcome(job), err=True)
        if job["state"] == State.SUCCEEDED:
            click.echo(json.dumps(job["result"], ensure_ascii=False))
        return _code(last)

    def _state(self, data: Any) -> None:
        if data["state"] == State.RUNNING:
            self._began = _seconds(data["at"])
        why = f": {data['reason']}" if data["reason"] else ""
        self._say(f"□ {data['state']}{shown.plain(why) if why else ''}")
        self._draw("")

    def _progress(self, data: Any) -> None:
        words = shown.plain(shown.progress_words(data))
        if self._live:
            self._draw(bar(data, words, self._elapsed()))
        elif words != self._said:
            self._said = words
            click.echo(f"□ {words}", err=True)

    def _elapsed(self) -> float | None:
        return None if self._began is None else time.time() - self._began

    def _say(self, line: str) -> None:
        with self._without_bar():
            click.echo(line, err=True)

    def _draw(self, text: str) -> None:
        with self._without_bar():
            self._bar = text

    @contextmanager
    def _without_bar(self) -> Iterator[None]:
        if self._bar:
            click.echo("\r\x1b[2K", nl=False, err=True)
        yield
        if self._bar:
            click.echo(self._bar[: shutil.get_terminal_size().columns - 1], nl=False, err=True)


def bar(progress: Any, words: str, elapsed: float | None) -> str:
    """Return a bar, how far the job is, its rate and the time left, as far as they are known."""
    current, total, percent = progress["current"], progress["total"], progress["percent"]
    parts = []
    if percent is not None:
        full = round(WIDTH * min(100.0, max(0.0, percent)) / 100)
        parts.append("■" * full + "□" * (WIDTH - full))
    parts.append(words)
    number = isinstance(current, int | float) and not isinstance(current, bool)
    if number and current > 0 and elapsed and elapsed > 0:
        rate = current / elapsed
        parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{shown.span(1 / rate)} each")
        if percent is not None and 0 < percent < 100:
            parts.append(f"{shown.span((total - current) / rate)} left")
    return "  ".join(parts)


def _code(last: Event) -> int:
    state = last.data["state"]
    return GONE if state is None else OUTCOMES[State(state)]


def _clock(at: str | None) -> str:
    return at[11:19] if at else "-"


def _seconds(at: str | None) -> float | None:
    return datetime.fromisoformat(at).timestamp() if at else None
