"""Speaks Alembic: the first tables, and the search index of each kind of database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    _jobs()
    _progress()
    _statistics()
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE celeriac_words USING fts5(words, detail='none', prefix='3', columnsize=0, "
            "tokenize=\"unicode61 remove_diacritics 0 tokenchars '_'\")"
        )
    else:
        op.execute("CREATE TABLE celeriac_words (n BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)")
        op.execute(  # a search reads what waits to enter the index, too: a megabyte at the most
            "CREATE INDEX celeriac_words_index ON celeriac_words USING gin (words) WITH (gin_pending_list_limit = 1024)"
        )


def _key(name: str, kind: sa.types.TypeEngine[int] | sa.types.TypeEngine[str] = BIG) -> sa.Column[int | str]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _number(name: str, nullable: bool = False, kind: sa.types.TypeEngine[int] = BIG) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=nullable)


def _text(name: str, nullable: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable, unique=unique)


def _jobs() -> None:
    small = sa.Integer()
    op.create_table(
        "celeriac_jobs",
        _key("n"), _text("id", unique=True),
        *(_text(name) for name in ("state", "task", "queue", "owner", "worker", "reason")),
        *(_number(name, nullable=True) for name in ("due", "started_at", "finished_at")),
        *(_number(name, kind=small) for name in ("attempt", "retries", "losses", "seq")),
        *(_text(name, nullable=True) for name in ("args", "options", "error", "result", "attempts")),
        *(_text(name) for name in ("parent_id", "root_id", "group_id")),
    )  # fmt: skip
    op.create_index("celeriac_jobs_state", "celeriac_jobs", ["state", "n"])
    for name in ("task", "queue", "owner"):
        op.create_index(f"celeriac_jobs_{name}", "celeriac_jobs", [name, "state", "n"])
    op.create_table(
        "celeriac_transitions",
        _key("n"), _key("birth", small), _key("entry"), _text("state"), _number("at"),
        _number("attempt", nullable=True, kind=small), _number("seq", kind=small), _text("note"),
        sqlite_with_rowid=False,
    )  # fmt: skip


def _progress() -> None:
    small = sa.Integer()
    op.create_table(
        "celeriac_history",
        _key("id", small), _text("database"), _text("prefix"), _number("birth", kind=small), _number("entry"),
        _text("holder"), _number("touched_at"),
    )  # fmt: skip
    op.create_table(
        "celeriac_births",
        _key("no", small), _text("birth", unique=True), _number("entry"), _number("seen_at"),
        _number("settled_at", nullable=True), _number("restored", kind=small),
    )  # fmt: skip
    op.create_table(
        "celeriac_gaps",
        _key("birth", small), _key("after_entry"), _key("before_entry"), _number("noticed_at"),
        _number("rebuilt_at", nullable=True),
    )  # fmt: skip


def _statistics() -> None:
    op.create_table(
        "celeriac_buckets",
        _key("width", sa.Integer()), _key("scope", sa.Text()), _key("at"), _key("state", sa.Text()),
        _number("jobs"),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "celeriac_timings",
        _key("width", sa.Integer()), _key("scope", sa.Text()), _key("at"), _key("kind", sa.Text()),
        _key("bin", sa.SmallInteger()), _number("jobs"), _number("ms"),
        sqlite_with_rowid=False,
    )  # fmt: skip
