"""A job whose end is told, and what became of telling it."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask

from celeriac import job
from celeriac.job import State
from celeriac.store import record
from celeriac.worker import signing, webhook
from celeriac.worker.process import space_of
from tests.article.running import eventually
from tests.webhooks.receivers import Receiver


@job
def work(fail: bool = False) -> str:
    """Work."""
    if fail:
        raise ValueError("a secret detail")
    return "a secret result"


def submit(url: str, **kwargs: Any) -> str:
    """Submit the job in the name of alice, its end to be told to `url`; return its id."""
    return str(work.apply_async(kwargs=kwargs, headers={"celeriac_callback": url, "celeriac_owner": "alice"}).id)


def deliveries(celery: Any) -> list[record.Record]:
    """Return the records of all delivery jobs, the first one first."""
    prefix = "celeriac:job:"
    ids = [key.decode().removeprefix(prefix) for key in celery.client.scan_iter(f"{prefix}*")]
    found = record.read_many(celery.client, space_of(celery), ids)
    mine = [each for each in found if each is not None and each.task == webhook.NAME]
    return sorted(mine, key=lambda each: each.created_at)  # type: ignore[arg-type, return-value]


def delivered(celery: Any, state: State) -> record.Record:
    """Wait for a delivery that is in this state; return its record."""

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


def pauses(celery: Any, tries: int) -> None:
    """Wait until a delivery has failed so often, and waits for its next try."""

    def waiting() -> bool:
        return any(each.retries == tries and each.state is State.RETRYING for each in deliveries(celery))

    eventually(waiting, f"the pause after {tries} failures")


def travel(celery: Any) -> None:
    """Let every delayed message be due now."""
    for member in celery.client.zrange("celeriac:delayed", 0, -1):
        celery.client.zadd("celeriac:delayed", {member: 1})
