"""Speaks SQL: what one may look for among all jobs, and the place in a list where the next page begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, TextClause, and_, column, literal_column, select, table, text

from celeriac.errors import BadRequest
from celeriac.history.schema import SHIFT, jobs
from celeriac.history.words import asked_words, has_words, postgres_match, sqlite_match, words_of
from celeriac.job import State
from celeriac.store.record import Record

MATCH = {
    "sqlite": "celeriac_words MATCH :question",
    "postgresql": "celeriac_words.words @@ CAST(:question AS tsquery)",
}
KEY = {"sqlite": "rowid", "postgresql": "n"}
QUESTION_LIMIT = 500  # characters
BEYOND = (1 << 63) - 1  # more than any key


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs: all that fit everything given. `task` is Celery's name; `text` looks into arguments and errors:
    every word of it, whole, or its beginning where it ends with `*`. Times are aware, the end is excluded."""

    states: tuple[State, ...] = ()
    task: str | None = None
    queue: str | None = None
    owner: str | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def check(self) -> None:
        """Raise BadRequest for what cannot be looked for."""
        if self.text is not None and (len(self.text) > QUESTION_LIMIT or not asked_words(self.text)):
            raise BadRequest("The text to look for has no words, or too many.", "Give letters or digits.")

    def keys(self) -> tuple[int, int]:
        """Return the lowest key and the first one beyond."""
        low = _key(self.created_after) if self.created_after else 0
        return low, _key(self.created_before) if self.created_before else BEYOND

    def places(self) -> list[ColumnElement[bool]]:
        """Return the conditions on owner, task and queue."""
        given = ((jobs.c.task, self.task), (jobs.c.queue, self.queue))
        found = [column == value for column, value in given if value is not None]
        if self.owner is None:
            return found
        # the index of owners holds those alone that there are, and is used where the question says so
        return [
            and_(jobs.c.owner == self.owner, jobs.c.owner != literal_column("''"))
            if self.owner
            else jobs.c.owner == "",
            *found,
        ]

    def in_states(self) -> list[ColumnElement[bool]]:
        """Return the condition on the state, if there is one."""
        return [jobs.c.state.in_([str(state) for state in self.states])] if self.states else []

    def fits(self, job: Record) -> bool:
        """Whether a live job is one of these, by all but its time."""
        given = ((self.owner, job.extra.get("owner", "")), (self.task, job.task), (self.queue, job.queue))
        if any(wanted is not None and wanted != has for wanted, has in given):
            return False
        return (not self.states or job.state in self.states) and (self.text is None or _has_words(job, self.text))

    def digest(self, before: int = 0) -> str:
        """Return a short name for this filter, but for its times ("the last hour" moves on), and for a place in it."""
        given = (self.states, self.task, self.queue, self.owner, self.text, before)
        words = json.dumps(given)
        return hashlib.sha256(words.encode()).hexdigest()[:8]


def found_words(question: str, dialect: str) -> Select[int]:
    """Return the keys of the jobs that have the words, as `n`."""
    asked = asked_words(question)
    match = sqlite_match(asked) if dialect == "sqlite" else postgres_match(asked)
    condition: TextClause = text(MATCH[dialect]).bindparams(question=match)
    key: ColumnElement[int] = column(KEY[dialect])
    return select(key.label("n")).select_from(table("celeriac_words")).where(condition)


def word_key(dialect: str) -> ColumnElement[int]:
    """Return the key's column in the table of words."""
    return column(KEY[dialect])


def page_token(filter: Filter, before: int) -> str:
    """Return where the next page of this filter begins, opaque to the caller."""
    return base64.urlsafe_b64encode(f"{filter.digest()}{filter.digest(before)}{before:x}".encode()).decode().rstrip("=")


def read_token(filter: Filter, token: str) -> int | None:
    """Return what `page_token` was given, None for the first page. Raises BadRequest."""
    if not token:
        return None
    try:
        words = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        whose, place, before = words[:8], words[8:16], int(words[16:], 16)
    except (ValueError, binascii.Error) as error:
        raise BadRequest("The page_token is not one of ours.", "Take it from the page before.") from error
    if whose == filter.digest() and place == filter.digest(before):
        return before
    raise BadRequest("The page_token is not of this filter.", "Leave it out when the filter changes.")


def _has_words(job: Record, question: str) -> bool:
    return has_words(words_of(json.dumps([job.args, job.kwargs]), json.dumps(job.error)), asked_words(question))


def _key(moment: datetime) -> int:
    return min(max(0, int(moment.timestamp() * 1000)) << SHIFT, BEYOND)
