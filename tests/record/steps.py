"""A worker's steps at a desk, one at a time, by the moves of the store."""

from __future__ import annotations

from typing import Any

from celeriac.job import Move
from celeriac.store import moves
from tests.hand import Hand
from tests.record.desk import Desk

LISTS = [("celery", "celery", True)]


def fetch(desk: Desk, n: int = 1) -> moves.Fetched:
    return moves.fetch(desk.client, desk.space, n, LISTS)


def take(desk: Desk) -> str:
    """Fetch one message and start its job; return its token."""
    return Hand(desk.context).start()


def finish(desk: Desk, token: str, move: Move = Move.SUCCEED) -> str:
    return Hand(desk.context).end(token, move)


def lose(desk: Desk, token: str) -> list[tuple[str, bytes]]:
    """Let the worker of this delivery die; return what was buried."""
    return moves.put_back(desk.client, desk.space, [token], "worker lost", lost=True)


def republish(desk: Desk, id: str, retries: int, token: str = "", **options: Any) -> None:
    """Publish under an id again, as Celery's retry does."""
    headers = {"celeriac_lease": token} if token else {}
    desk.send("add", x=1, y=2, options={"task_id": id, "retries": retries, "headers": headers, **options})


def ready(desk: Desk) -> int:
    return int(desk.client.llen("celery"))
