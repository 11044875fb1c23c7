"""A million jobs in the history: what a page, a search and a chart cost on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.history_jobs import OWNERS, TASKS, Jobs
from benchmarks.history_plans import plans
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome, Ratio
from celeriac.config import Settings
from celeriac.history import copying, grouping, migrate, pages, statistics
from celeriac.history.database import Database, url_of
from celeriac.history.filters import Filter
from celeriac.job import State
from celeriac.store.journal import Detail
from tests.history.postgres import Postgres

METHOD = (
    "Jobs of 20 tasks, 5 queues and 50 owners are written as the copier writes them: transitions, search words and "
    "counts too. Then each question is asked 30 times, pages from the first, from the middle and with a token in "
    "turn, of 50 jobs each, by the same functions that HTTP calls. Both databases with their defaults, the file cache "
    "warm, PostgreSQL over a socket and after VACUUM ANALYZE."
)
LIMIT = 50.0
TIMES = 30


def run(plan: Plan) -> Outcome:
    """One pass: building the million takes minutes, the answers hardly jitter."""
    number = 50_000 if plan.quick else 1_000_000
    columns = ["question", "SQLite p50 ms", "p95", "PostgreSQL p50 ms", "p95"]
    outcome = Outcome("history", f"The history with {number:,} jobs", METHOD, columns)
    found: dict[str, dict[str, list[float]]] = {}
    for name, opened in (("SQLite", sqlite), ("PostgreSQL", postgres)):
        with opened() as database:
            seconds = fill(database, number)
            outcome.notes.append(
                f"{name}: {number / seconds:,.0f} jobs/s written, {size(database) / number:.0f} bytes each."
            )
            found[name] = {question: times(ask) for question, ask in questions(database).items()}
            outcome.notes += [f"{name}, {line}" for line in plans(database)]
    for question in found["SQLite"]:
        cells = [f"{at(found[name][question], share):.1f}" for name in found for share in (0.5, 0.95)]
        outcome.rows.append([question, *cells])
        if not question.startswith("("):
            worst = max(at(found[name][question], 0.95) for name in found)
            outcome.ratios.append(Ratio(f"{question}, p95 ms", [worst], -LIMIT))
    outcome.raw = dict(found)
    return outcome


@contextmanager
def sqlite() -> Iterator[Database]:
    """An empty history in a file."""
    with tempfile.TemporaryDirectory() as folder:
        yield ready(f"sqlite:///{Path(folder) / 'history.db'}")


@contextmanager
def postgres() -> Iterator[Database]:
    """An empty history in a server of its own."""
    server = Postgres().start()
    try:
        yield ready(server.database())
    finally:
        server.remove()


def ready(url: str) -> Database:
    database = Database(url_of(Settings(database_url=url)))  # type: ignore[call-arg]
    migrate.upgrade(database)
    return database


def fill(database: Database, number: int) -> float:
    """Write the jobs in batches; return how many seconds the writing took."""
    made, spent = Jobs(number), 0.0
    for done in range(0, number, 1000):
        entries, details = made.batch(done, min(1000, number - done))
        batch = grouping.jobs_of(entries)
        start = time.perf_counter()
        with database.write() as connection:
            copying.store(connection, 1, batch, reader(details))
        spent += time.perf_counter() - start
        if done % 100_000 == 0:
            print(f"  {done:,} jobs in {spent:.0f} s", file=sys.stderr, flush=True)
    with database.read() as connection:  # what both do by themselves in the course of time
        plain: Any = connection.connection.dbapi_connection
        plain.rollback()
        if not database.is_sqlite:
            plain.autocommit = True
        plain.execute("PRAGMA optimize" if database.is_sqlite else "VACUUM ANALYZE")
        if not database.is_sqlite:
            plain.autocommit = False
    return spent


def reader(details: Mapping[str, Detail]) -> copying.Read:
    """Read from these records as the copier reads from Redis."""
    return lambda ids, moving: {id: details[id] for id in ids}


def size(database: Database) -> int:
    with database.read() as connection:
        asked = (
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            if database.is_sqlite
            else "SELECT pg_database_size(current_database())"
        )
        return int(connection.exec_driver_sql(asked).scalar_one())


def questions(database: Database) -> dict[str, Callable[[int], Any]]:
    """Return each question by its name; the number says the how-manieth time it is asked."""
    dice = random.Random(1)
    now = datetime.now(UTC)

    def page(**given: Any) -> Callable[[int], Any]:
        def ask(turn: int) -> Any:
            moved = {"created_before": now - timedelta(hours=dice.randrange(1, 600))} if turn % 3 == 1 else {}
            first = pages.list_jobs(database, Filter(**(given | moved)), 50)
            if turn % 3 == 2 and first.next_token:
                first = pages.list_jobs(database, Filter(**given), 50, first.next_token)
            return first

        return ask

    failed, queued = (State.FAILED,), (State.QUEUED, State.RUNNING)
    return {
        "page, all jobs": page(),
        "page, failed": page(states=failed),
        "page, waiting or running": page(states=queued),
        "page, a common task": page(task=TASKS[0]),
        "page, a rare task": page(task=TASKS[-1]),
        "page, a common task that failed": page(task=TASKS[0], states=failed),
        "page, an owner": page(owner=OWNERS[3]),
        "page, an owner's common task": page(owner=OWNERS[3], task=TASKS[0]),
        "page, a task in a queue it never uses": page(task=TASKS[0], queue="rare"),
        "page, one hour": page(created_after=now - timedelta(hours=300), created_before=now - timedelta(hours=299)),
        "search, a rare word": page(text="user4711"),
        "search, a word of 1 in 200": page(text="invoice"),
        "search, a word of every other job": page(text="monthly"),
        "search, two common words": page(text="monthly report"),
        "search, a beginning": page(text="user47*"),
        "search, a common word among the failed": page(text="monthly", states=failed),
        "search, a common word in a rare task": page(text="monthly", task=TASKS[-1]),
    } | others(database, now, dice)


def others(database: Database, now: datetime, dice: random.Random) -> dict[str, Callable[[int], Any]]:
    """Return the questions that are no pages."""
    return {
        "job by id": lambda turn: pages.find_job(database, f"job-{dice.randrange(1000)}"),
        "chart, a day by 5 minutes": lambda turn: statistics.series(database, now - timedelta(days=1), now, 300),
        "chart, 4 weeks by 6 hours": lambda turn: statistics.series(database, now - timedelta(days=28), now, 21600),
        "(chart, 4 weeks by hours)": lambda turn: statistics.series(database, now - timedelta(days=28), now, 3600),
        "(counts of all jobs by task and state)": lambda turn: statistics.counts(database),
        "(count of the failed of a task)": lambda turn: pages.count_jobs(database, Filter((State.FAILED,), TASKS[0])),
    }


def times(ask: Callable[[int], Any]) -> list[float]:
    """Return the milliseconds of each time."""
    found = []
    for turn in range(TIMES):
        start = time.perf_counter()
        ask(turn)
        found.append((time.perf_counter() - start) * 1000)
    return found[3:]


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
