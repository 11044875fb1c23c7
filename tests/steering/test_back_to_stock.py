"""Going back to stock kombu is releasing what waits, and one setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery.result import AsyncResult
from flask import Flask

from celeriac import actions
from celeriac.actions import Context
from tests.article.running import Program
from tests.hand import Hand


@pytest.mark.slow
def test_stock_workers_do_what_was_ready_delayed_and_in_flight(
    app: Flask, context: Context, hand: Hand, broker_url: str, tmp_path: Path
) -> None:
    in_flight = actions.submit(context, "steered_double", {"n": 1})
    hand.start()
    delayed = actions.submit(context, "steered_double", {"n": 2}, delay=3)
    ready = actions.submit(context, "steered_greet", {"name": "Ada"})
    assert actions.release(context) == (1, 1)

    stock = Program(
        ["celery", "-A", "tests.steering.worker_app", "worker", "-c", "2", "-P", "threads", "-n", "stock@test"],
        tmp_path / "worker.log",
        {"BROKER_URL": broker_url, "CELERIAC_TRANSPORT": "stock"},
    )
    try:
        results = [AsyncResult(id, app=app.extensions["celery"]).get(60) for id in (in_flight, delayed, ready)]
    finally:
        stock.stop()

    assert results == [2, 4, "Hello Ada!"]
