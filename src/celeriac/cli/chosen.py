"""Which jobs a command means: the options of a filter. Speaks click."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from celeriac import history
from celeriac.cli.group import context
from celeriac.job import State

if TYPE_CHECKING:
    from celeriac.history.filters import Filter
    from celeriac.history.house import History

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 3660 * 86400.0  # seconds


class Age(click.ParamType[float]):
    """A length of time: `90s`, `30m`, `12h`, `7d`; a bare number is seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        number, unit = (value[:-1], value[-1]) if value[-1:] in UNITS else (value, "s")
        try:
            seconds = float(number) * UNITS[unit]
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= LONGEST:
            self.fail(f"{value!r} is no length of time; as 90s, 30m, 12h or 7d.", param, ctx)
        return seconds


@dataclass(frozen=True)
class Chosen:
    """The jobs that fit everything given; ages are in seconds."""

    states: tuple[str, ...]
    task: str | None
    queue: str | None
    owner: str | None
    text: str | None
    since: float | None
    before: float | None

    @property
    def given(self) -> bool:
        """Whether it says anything."""
        return any(value not in (None, ()) for value in astuple(self))

    def filter(self) -> Filter:
        """Return it as the history takes it."""
        from celeriac.history.filters import Filter

        spec = context().jobs.get(self.task) if self.task else None
        states = tuple(sorted({State(state) for state in self.states}))
        named = spec.celery_name if spec else self.task
        return Filter(states, named, self.queue, self.owner, self.text, _ago(self.since), _ago(self.before))


OPTIONS = (
    click.option("--state", "states", multiple=True, type=click.Choice(list(map(str, State))), help="May be repeated."),
    click.option("--task", help="The task's name, or Celery's name for it."),
    click.option("--queue", help="The queue's name."),
    click.option("--owner", help="Who submitted it."),
    click.option("--text", help="Words in arguments or error; `word*` is a beginning."),
    click.option("--since", type=Age(), help="Submitted at most so long ago: 90s, 30m, 12h, 7d."),
    click.option("--before", type=Age(), help="Submitted longer ago than that."),
)


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a filter; it gets them as `chosen`."""

    @functools.wraps(function)
    def call(*words: Any, **options: Any) -> Any:
        chosen = Chosen(**{field.name: options.pop(field.name) for field in fields(Chosen)})
        return function(*words, chosen=chosen, **options)

    for option in reversed(OPTIONS):
        call = option(call)
    return call


def the_history() -> History:
    """Return the history of the current app, every task known."""
    context()
    return history.of(current_app)


def _ago(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) - timedelta(seconds=seconds)
