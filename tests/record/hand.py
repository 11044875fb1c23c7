"""A worker whose every step is the test's: it fetches, starts and ends jobs by the moves of the store."""

from __future__ import annotations

import json
from typing import Any

from celeriac.job import Move
from celeriac.store import moves
from tests.record.desk import Desk

LISTS = [("celery", "celery", True)]


def fetch(desk: Desk, n: int = 1) -> moves.Fetched:
    return moves.fetch(desk.client, desk.space, n, LISTS)


def take(desk: Desk) -> moves.Delivery:
    """Fetch one message and start its job."""
    [delivery] = fetch(desk).deliveries
    assert moves.start(desk.client, desk.space, delivery.token, "w", 0.0, "") == "ok"
    return delivery


def finish(desk: Desk, token: str, move: Move = Move.SUCCEED, status: str = "SUCCESS") -> str:
    id, _, fence = token.rpartition(":")
    meta = json.dumps({"status": status, "result": None, "traceback": None, "children": [], "task_id": id})
    return moves.finish(desk.client, desk.space, moves.Finish(id, move, int(fence), meta, worker="w"))


def republish(desk: Desk, id: str, retries: int, token: str = "", **options: Any) -> None:
    """Publish under an id again, as Celery's retry does."""
    headers = {"celeriac_lease": token} if token else {}
    desk.send("add", x=1, y=2, options={"task_id": id, "retries": retries, "headers": headers, **options})


def ready(desk: Desk) -> int:
    return int(desk.client.llen("celery"))
