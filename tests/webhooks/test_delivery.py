"""Who asked for a webhook is told, by a job of its own: by schedule, once, and again by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac import actions, job
from celeriac.job import State
from celeriac.store import record
from celeriac.worker import webhook
from celeriac.worker.process import space_of
from tests.article.running import Program, eventually
from tests.webhooks.post import delivered, deliveries, pauses, submit, travel, verified, work
from tests.webhooks.receivers import receiver


def test_a_receiver_is_told_of_the_end_and_can_prove_who_told(app: Flask, celery: Any, worker: None) -> None:
    with receiver() as there:
        id = submit(there.url)
        done = delivered(celery, State.SUCCEEDED)
        told = verified(app, there)

    assert (told["type"], told["data"]["id"], told["data"]["state"]) == ("job.succeeded", id, "succeeded")
    assert told["data"]["task"].endswith(".work")
    assert "secret" not in there.calls[0].body.decode()
    assert there.calls[0].headers["webhook-id"] == done.id
    assert len(there.calls) == 1
    assert (done.parent_id, done.extra["owner"], done.result["status"]) == (id, "alice", 204)


def test_a_failure_is_told_by_its_type_alone(app: Flask, celery: Any, worker: None) -> None:
    with receiver() as there:
        submit(there.url, fail=True)
        delivered(celery, State.SUCCEEDED)
        told = verified(app, there)

    assert (told["type"], told["data"]["error"]) == ("job.failed", {"type": "ValueError"})
    assert b"secret" not in there.calls[0].body


def test_a_task_may_name_its_receiver_and_jobs_without_one_tell_nobody(app: Flask, celery: Any, worker: None) -> None:
    with receiver() as there:

        @job(callback_url=there.url)
        def telling() -> None:
            """Tell."""

        ids = [telling.delay().id, work.delay().id]
        delivered(celery, State.SUCCEEDED)
        for id in ids:
            eventually(lambda id=id: record.read(celery.client, space_of(celery), id).done, "the end")  # type: ignore[misc]
    assert len(there.calls) == 1
    assert celery.client.llen("celeriac:outbox") == 0


def test_a_receiver_that_fails_is_called_again_by_the_schedule(app: Flask, celery: Any, worker: None) -> None:
    with receiver(500, 302, 404, 204) as there:
        submit(there.url)
        for failures in (1, 2, 3):
            pauses(celery, failures)
            travel(celery)
        done = delivered(celery, State.SUCCEEDED)

    assert len(there.calls) == 4
    assert len({call.headers["webhook-id"] for call in there.calls}) == 1
    verified(app, there)
    assert done.retries == 3


def test_the_schedule_ends_within_a_day_and_every_pause_is_longer() -> None:
    """On a virtual clock."""
    now, tries = 0.0, 0
    pauses = []
    while (pause := webhook.next_pause(tries, None, lambda: 1.0)) is not None:
        now, tries = now + pause, tries + 1
        pauses.append(pause)

    assert pauses[0] == pytest.approx(5.5)
    assert pauses == sorted(pauses)
    assert 23 * 3600 < now < 27 * 3600
    assert tries == 10
    assert webhook.next_pause(0, 3600.0, lambda: 0.0) == 3600.0
    assert webhook.next_pause(9, 60.0, lambda: 0.0) == 36000.0
    assert webhook.next_pause(0, 1e9, lambda: 0.0) == 86400.0


def test_a_receiver_that_asks_for_time_gets_it(celery: Any, worker: None) -> None:
    with receiver(503, Retry_After="4000") as there:
        submit(there.url)
        waiting = delivered(celery, State.RETRYING)
    assert waiting.due is not None
    assert waiting.created_at is not None
    assert (waiting.due - waiting.created_at).total_seconds() > 3900


def test_410_ends_it_for_this_address(celery: Any, worker: None) -> None:
    with receiver(410) as there:
        submit(there.url)
        failed = delivered(celery, State.FAILED)
        assert failed.error
        assert "410 Gone" in failed.error["message"]
        submit(there.url)
        eventually(lambda: [d.state for d in deliveries(celery)] == [State.FAILED] * 2, "the second one to fail")
    assert len(there.calls) == 1


def test_an_inner_address_is_never_called_and_the_job_is_none_the_worse(celery: Any, worker: None) -> None:
    celery.settings = celery.settings.model_copy(update={"webhook_allow": ""})
    with receiver() as there:
        id = submit(there.url)
        failed = delivered(celery, State.FAILED)
    assert there.calls == []
    assert failed.error
    assert failed.error["type"] == "ForbiddenAddress"
    assert record.read(celery.client, space_of(celery), id).state is State.SUCCEEDED


@pytest.mark.slow
def test_after_the_last_try_it_has_failed_and_can_be_replayed(app: Flask, celery: Any, worker: None) -> None:
    with receiver(500) as there:
        submit(there.url)
        for n in range(1, len(webhook.SCHEDULE) + 1):
            pauses(celery, n)
            travel(celery)
        failed = delivered(celery, State.FAILED)
        assert len(there.calls) == 11
        there.statuses = [200]
        actions.retry(app.extensions["celeriac"].context, failed.id)
        delivered(celery, State.SUCCEEDED)
    assert there.calls[-1].headers["webhook-id"] == failed.id
    verified(app, there)


@pytest.mark.slow
def test_a_real_worker_delivers_and_writes_down_what_it_heard(app: Flask, celery: Any, tmp_path: Path) -> None:
    env = {"BROKER_URL": app.config["BROKER_URL"], "SECRET_KEY": "k" * 32, "CELERIAC_WEBHOOK_ALLOW": "127.0.0.1"}
    command = ["celery", "-A", "backend", "worker", "-P", "prefork", "-c", "1", "-n", "hooks@test"]
    with receiver(500, 200) as there:
        program = Program(command, tmp_path / "worker.log", env)
        try:
            task = "backend.tasks.add"
            id = celery.send_task(task, kwargs={"x": 1, "y": 2}, headers={"celeriac_callback": there.url}).id
            pauses(celery, 1)
            travel(celery)
            done = delivered(celery, State.SUCCEEDED)
            verified(app, there)
        finally:
            program.stop()
    said = [line.text for line in record.log(celery.client, space_of(celery), done.id)]
    assert said == ["The receiver answered 500. Next try in 5 s."]
    assert done.parent_id == id


def test_without_a_secret_nothing_is_promised(app: Flask, celery: Any) -> None:
    with pytest.raises(webhook.ConfigError, match="sign"):
        webhook.check(celery.settings, {}, "https://example.com/")
    webhook.check(celery.settings, app.config, "https://example.com/")
