"""Which jobs a caller means: the filter of a list and of what is done to many, held to what the caller may see.

Speaks Flask and pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from flask import current_app
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from celeriac import history
from celeriac.api.door import caller
from celeriac.api.parts import context
from celeriac.auth.caller import Scope
from celeriac.errors import Forbidden, HistoryDamaged, HistoryOff, HistoryUnavailable, HistoryUnfit
from celeriac.job import State

if TYPE_CHECKING:
    from celeriac.history.filters import Filter
    from celeriac.history.house import History

OF_THE_HISTORY = (HistoryOff, HistoryUnavailable, HistoryDamaged, HistoryUnfit)
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class JobFilter(BaseModel):
    """Which jobs: those that fit everything that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: list[State] = Field([], max_length=len(State), description="In one of these states.")
    task: Name | None = Field(None, description="Of this task.")
    queue: Name | None = Field(None, description="On this queue.")
    owner: Name | None = Field(None, description="Submitted by this owner; others than oneself for operators alone.")
    q: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        None, description="With all these words in arguments or error; `word*` is a beginning of at least three."
    )
    created_after: AwareDatetime | None = Field(None, description="Submitted then or later (RFC 3339).")
    created_before: AwareDatetime | None = Field(None, description="Submitted before then (RFC 3339).")

    def narrow(self) -> Filter:
        """Return the filter for who calls: those who are no operators have jobs of their own alone. Raises Forbidden"""
        from celeriac.history.filters import Filter

        spec = context().jobs.get(self.task) if self.task else None
        return Filter(
            tuple(sorted(set(self.state))), spec.celery_name if spec else self.task, self.queue, _owner(self.owner),
            self.q, self.created_after, self.created_before,
        )  # fmt: skip


def the_history() -> History:
    """Return the history of the app that answers now, every task known."""
    context()
    return history.of(current_app)


def _owner(asked: str | None) -> str | None:
    who = caller()
    if who.may(Scope.OPERATE):
        return asked
    if not who.owner or asked not in (None, who.owner):
        raise Forbidden("Other people's jobs are for operators.", "Leave `owner` out, or ask for the scope 'operate'.")
    return who.owner
