"""Every end of a job is told, whoever dies when: to its receiver by a delivery, to the app by a signal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from celeriac.store import moves, outbox, record
from celeriac.worker.process import space_of
from celeriac.worker.telling import Teller, job_finished
from tests.article.running import eventually
from tests.webhooks.post import deliveries, submit, work


def test_an_end_told_twice_is_delivered_once(celery: Any) -> None:
    id = submit("http://127.0.0.1:1/")
    (delivery,) = moves.fetch(celery.client, space_of(celery), 1, [("celery", "celery", True)]).deliveries
    moves.finish(celery.client, space_of(celery), moves.Finish(id, moves.Move.SUCCEED, 1, "{}"))
    waiting = celery.client.lrange("celeriac:outbox", 0, -1)
    Teller(celery).step()
    assert celery.client.llen("celeriac:outbox") == 0
    celery.client.rpush("celeriac:outbox", *waiting)  # the teller died before it noted that it had told
    celery.client.delete("celeriac:hold:telling")
    Teller(celery).step()

    assert len(deliveries(celery)) == 1
    assert celery.client.llen("io") == 1
    assert delivery.token.startswith(id)


@pytest.mark.parametrize("end", ["cancelled while waiting", "lost"])
def test_every_kind_of_end_is_told(celery: Any, end: str) -> None:
    id = submit("http://127.0.0.1:1/")
    if end == "lost":
        for _ in range(3):
            (delivery,) = moves.fetch(celery.client, space_of(celery), 1, [("celery", "celery", True)]).deliveries
            moves.start(celery.client, space_of(celery), delivery.token, "w", 0.0, "")
            moves.put_back(celery.client, space_of(celery), [delivery.token], "worker lost", lost=True)
    else:
        moves.cancel(celery.client, space_of(celery), id, "no longer", "{}")
    Teller(celery).step()

    (told,) = deliveries(celery)
    assert told.kwargs is not None
    assert json.loads(told.kwargs["body"])["type"] == f"job.{end.split(maxsplit=1)[0]}"


def test_the_signal_is_sent_in_the_app_context_for_every_end(app: Flask, celery: Any, worker: None) -> None:
    seen: list[tuple[str, str, str, Any]] = []

    def note(sender: Flask, job: record.Record) -> None:
        from flask import current_app

        seen.append((sender.name, current_app.name, job.state, job.result))
        raise RuntimeError("a receiver's own fault")

    with job_finished.connected_to(note, sender=app):
        eventually(lambda: celery.client.exists("celeriac:outbox:all"), "somebody listening")
        work.delay()
        work.delay(fail=True)
        eventually(lambda: len(seen) == 2, "both ends")

    assert sorted(seen) == [
        ("webhooks", "webhooks", "failed", None),
        ("webhooks", "webhooks", "succeeded", "a secret result"),
    ]


def test_one_process_tells_at_a_time(celery: Any) -> None:
    id = submit("http://127.0.0.1:1/")
    first, second = Teller(celery), Teller(celery)
    first.step()
    moves.cancel(celery.client, space_of(celery), id, "x", "{}")
    second._next_hold = 0.0
    second.step()
    assert len(outbox.read(celery.client, space_of(celery))) == 1
    first.step()
    assert outbox.read(celery.client, space_of(celery)) == []


def test_what_cannot_be_told_is_said_and_told_as_soon_as_it_can(celery: Any, caplog: pytest.LogCaptureFixture) -> None:
    celery.conf.task_create_missing_queues = False
    right, celery.settings = celery.settings, celery.settings.model_copy(update={"webhook_queue": "nowhere"})
    moves.cancel(celery.client, space_of(celery), submit("http://127.0.0.1:1/"), "no longer", "{}")
    teller = Teller(celery).start()
    try:
        eventually(lambda: "'nowhere' missing from task_queues" in caplog.text, "a word of it")
        celery.settings = right
        eventually(lambda: deliveries(celery), "the delivery")
    finally:
        teller.stop()
