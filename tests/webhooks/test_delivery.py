"""Who asked for a webhook is told, by a job of its own: by schedule, once, and again by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from celeriac import Celeriac, actions, job
from celeriac.job import State
from celeriac.store import moves, outbox, record
from celeriac.worker import signing, webhook
from celeriac.worker.embedded import embedded_worker
from celeriac.worker.process import space_of
from celeriac.worker.telling import Teller, job_finished
from tests.article.running import Program, eventually
from tests.webhooks.receivers import Receiver, receiver


@job
def work(fail: bool = False) -> str:
    """Work."""
    if fail:
        raise ValueError("a secret detail")
    return "a secret result"


@pytest.fixture
def app(broker_url: str) -> Flask:
    flask = Flask("webhooks")
    flask.config.update(BROKER_URL=broker_url, SECRET_KEY="k" * 32, CELERIAC_WEBHOOK_ALLOW="127.0.0.1")
    Celeriac(flask)
    return flask


@pytest.fixture
def celery(app: Flask) -> Any:
    return app.extensions["celery"]


@pytest.fixture
def running(celery: Any) -> Iterator[None]:
    with embedded_worker(celery):
        yield


def submit(url: str, **kwargs: Any) -> str:
    return str(work.apply_async(kwargs=kwargs, headers={"celeriac_callback": url, "celeriac_owner": "alice"}).id)


def deliveries(celery: Any) -> list[record.Record]:
    """Return the records of all delivery jobs, the first one first."""
    prefix = "celeriac:job:"
    ids = [key.decode().removeprefix(prefix) for key in celery.client.scan_iter(f"{prefix}*")]
    found = record.read_many(celery.client, space_of(celery), ids)
    mine = [each for each in found if each is not None and each.task == webhook.NAME]
    return sorted(mine, key=lambda each: each.created_at)  # type: ignore[arg-type, return-value]


def delivered(celery: Any, state: State) -> record.Record:
    def one() -> record.Record | None:
        return next((each for each in deliveries(celery) if each.state is state), None)

    found = eventually(one, f"a delivery that is {state}")
    assert found is not None
    return record.read(celery.client, space_of(celery), found.id)


def verified(app: Flask, there: Receiver) -> dict[str, Any]:
    """Return what the receiver was told, when its signature is genuine."""
    call = there.calls[-1]
    secrets = webhook.secrets_of(app.extensions["celery"].settings, app.config)
    assert signing.verify(secrets, call.headers, call.body, call.at)
    told: dict[str, Any] = json.loads(call.body)
    return told


def test_a_receiver_is_told_of_the_end_and_can_prove_who_told(app: Flask, celery: Any, running: None) -> None:
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


def test_a_failure_is_told_by_its_type_alone(app: Flask, celery: Any, running: None) -> None:
    with receiver() as there:
        submit(there.url, fail=True)
        delivered(celery, State.SUCCEEDED)
        told = verified(app, there)

    assert (told["type"], told["data"]["error"]) == ("job.failed", {"type": "ValueError"})
    assert b"secret" not in there.calls[0].body


def test_a_task_may_name_its_receiver_and_jobs_without_one_tell_nobody(app: Flask, celery: Any, running: None) -> None:
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


def test_a_receiver_that_fails_is_called_again_by_the_schedule(app: Flask, celery: Any, running: None) -> None:
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


def test_a_receiver_that_asks_for_time_gets_it(celery: Any, running: None) -> None:
    with receiver(503, Retry_After="4000") as there:
        submit(there.url)
        waiting = delivered(celery, State.RETRYING)
    assert waiting.due is not None
    assert waiting.created_at is not None
    assert (waiting.due - waiting.created_at).total_seconds() > 3900


def test_410_ends_it_for_this_address(celery: Any, running: None) -> None:
    with receiver(410) as there:
        submit(there.url)
        failed = delivered(celery, State.FAILED)
        assert failed.error
        assert "410 Gone" in failed.error["message"]
        submit(there.url)
        eventually(lambda: [d.state for d in deliveries(celery)] == [State.FAILED] * 2, "the second one to fail")
    assert len(there.calls) == 1


def test_an_inner_address_is_never_called_and_the_job_is_none_the_worse(celery: Any, running: None) -> None:
    celery.settings = celery.settings.model_copy(update={"webhook_allow": ""})
    with receiver() as there:
        id = submit(there.url)
        failed = delivered(celery, State.FAILED)
    assert there.calls == []
    assert failed.error
    assert failed.error["type"] == "ForbiddenAddress"
    assert record.read(celery.client, space_of(celery), id).state is State.SUCCEEDED


@pytest.mark.slow
def test_after_the_last_try_it_has_failed_and_can_be_replayed(app: Flask, celery: Any, running: None) -> None:
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


def test_the_signal_is_sent_in_the_app_context_for_every_end(app: Flask, celery: Any, running: None) -> None:
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
    submit("http://127.0.0.1:1/")
    first, second = Teller(celery), Teller(celery)
    first.step()
    moves.cancel(celery.client, space_of(celery), next(iter(_ids(celery))), "x", "{}")
    second._next_hold = 0.0
    second.step()
    assert len(outbox.read(celery.client, space_of(celery))) == 1
    first.step()
    assert outbox.read(celery.client, space_of(celery)) == []


def test_without_a_secret_nothing_is_promised(app: Flask, celery: Any) -> None:
    with pytest.raises(webhook.ConfigError, match="sign"):
        webhook.check(celery.settings, {}, "https://example.com/")
    webhook.check(celery.settings, app.config, "https://example.com/")


def pauses(celery: Any, tries: int) -> None:
    """Wait until a delivery has failed so often, and waits for its next try."""

    def waiting() -> bool:
        return any(each.retries == tries and each.state is State.RETRYING for each in deliveries(celery))

    eventually(waiting, f"the pause after {tries} failures")


@pytest.mark.slow
def test_a_real_worker_delivers_and_writes_down_what_it_heard(app: Flask, celery: Any, tmp_path: Path) -> None:
    env = {"BROKER_URL": app.config["BROKER_URL"], "SECRET_KEY": "k" * 32, "CELERIAC_WEBHOOK_ALLOW": "127.0.0.1"}
    command = ["celery", "-A", "backend", "worker", "-P", "prefork", "-c", "1", "-n", "hooks@test"]
    with receiver(500, 200) as there:
        worker = Program(command, tmp_path / "worker.log", env)
        try:
            task = "backend.tasks.add"
            id = celery.send_task(task, kwargs={"x": 1, "y": 2}, headers={"celeriac_callback": there.url}).id
            pauses(celery, 1)
            travel(celery)
            done = delivered(celery, State.SUCCEEDED)
            verified(app, there)
        finally:
            worker.stop()
    said = [line.text for line in record.log(celery.client, space_of(celery), done.id)]
    assert said == ["The receiver answered 500. Next try in 5 s."]
    assert done.parent_id == id


def travel(celery: Any) -> None:
    """Let every delayed message be due now."""
    for member in celery.client.zrange("celeriac:delayed", 0, -1):
        celery.client.zadd("celeriac:delayed", {member: 1})


def _ids(celery: Any) -> list[str]:
    return [key.decode().removeprefix("celeriac:job:") for key in celery.client.scan_iter("celeriac:job:*")]
