"""Delivers webhooks: each by a job of its own, tried by a schedule for a day. Speaks Celery.

1. `announce` submits the delivery of one end of a job, under an id that this end alone has: twice is once.
2. The task signs and posts; any 2xx is success, 410 ends it for this address, everything else is tried again.
3. What it did is the delivery job's own log, attempts and result; retrying that job is the replay.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celery import Task

from celeriac.config import Settings
from celeriac.errors import CeleriacError, ConfigError
from celeriac.store.outbox import End
from celeriac.store.record import Record
from celeriac.worker import reach, signing
from celeriac.worker.process import space_of

if TYPE_CHECKING:
    from celeriac.worker.app import CeleryApp

NAME = "celeriac.webhook"
CALLBACK_HEADER = "celeriac_callback"
#: Seconds before each further try: ten of them, together just under a day.
SCHEDULE = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 36000)
JITTER = 0.1  # of the pause, added by chance
LONGEST_PAUSE = 86400.0  # that a receiver may ask for
GONE_FOR = 7 * 86400.0  # seconds for which an address that said 410 is left alone
SPACE = uuid.UUID("5f0c3f0e-8b0a-5c7e-9a4e-2f2f3c1d7b61")


class WebhookFailed(CeleriacError):
    """The receiver did not take the call."""

    status = 502
    title = "Webhook failed"


def install(celery: CeleryApp) -> None:
    """Give the app the task that delivers."""
    celery.task(name=NAME, bind=True, max_retries=len(SCHEDULE), throws=(WebhookFailed, reach.ForbiddenAddress),
                shared=False)(deliver)  # fmt: skip


def check(settings: Settings, config: Mapping[str, Any], url: str) -> None:
    """Raise reach.ForbiddenAddress for a callback_url that would not be called, ConfigError where nothing can sign."""
    secrets_of(settings, config)
    reach.check(url, reach.Allowed(settings.webhook_allow))


def secrets_of(settings: Settings, config: Mapping[str, Any]) -> list[bytes]:
    """Return what signs: the setting, or what is made from the Flask app's secret keys. Raises ConfigError."""
    given = signing.read_secrets(settings.webhook_secrets)
    found = given or signing.derived([config.get("SECRET_KEY") or "", *(config.get("SECRET_KEY_FALLBACKS") or ())])
    if not found:
        raise ConfigError("Nothing can sign webhooks here.", "Set SECRET_KEY, or CELERIAC_WEBHOOK_SECRETS.")
    return found


def delivery_id(end: End) -> str:
    """Return the id of the job that delivers this end."""
    return str(uuid.uuid5(SPACE, f"{end.id}:{end.seq}"))


def announce(celery: CeleryApp, job: Record, end: End) -> str | None:
    """Submit the delivery of an end, once; return its id, None for a job that nobody wants to hear of."""
    url = job.extra.get("callback_url")
    if not url:
        return None
    id = delivery_id(end)
    owner = {"celeriac_owner": job.extra["owner"]} if job.extra.get("owner") else {}
    celery.send_task(
        NAME, kwargs={"url": url, "body": body_of(job, end)}, task_id=id, queue=celery.settings.webhook_queue,
        parent_id=job.id, root_id=job.root_id or job.id, add_to_parent=False,
        headers={CALLBACK_HEADER: None, **owner, "celeriac_once": True},
    )  # fmt: skip
    return id


def body_of(job: Record, end: End) -> str:
    """Return what is told: what happened to which job, not what came of it. The receiver fetches that."""
    times = {name: _time(getattr(job, name)) for name in ("created_at", "started_at", "finished_at")}
    error = {"type": job.error["type"]} if job.error and "type" in job.error else None
    data = {"id": job.id, "task": job.task, "state": end.state, "attempt": job.attempt, **times, "error": error}
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end.at / 1000)) + f".{end.at % 1000:03}Z"
    return json.dumps({"type": f"job.{end.state}", "timestamp": at, "data": data}, separators=(",", ":"))


def deliver(self: Task[Any, Any], url: str, body: str) -> dict[str, Any]:
    """Call the receiver once; raise Retry for the next time, WebhookFailed after the last."""
    app: Any = self.app
    gone = f"{space_of(app).keys}gone-hook:{hashlib.sha256(url.encode()).hexdigest()[:40]}"
    if app.client.exists(gone):
        raise WebhookFailed("The receiver has said 410 Gone: it is not called any more.")
    sent = body.encode()
    signed = signing.headers(secrets_of(app.settings, app.flask.config), str(self.request.id), int(time.time()), sent)
    about = {"Content-Type": "application/json", "User-Agent": "Celeriac-Webhook/1", "Connection": "close"}
    began, asked = time.monotonic(), None
    try:
        reply = reach.post(
            url, sent, signed | about, reach.Allowed(app.settings.webhook_allow), app.settings.webhook_timeout
        )
    except reach.Unreachable as error:
        failed = WebhookFailed(error.message)
    else:
        if 200 <= reply.status < 300:
            return {"status": reply.status, "seconds": round(time.monotonic() - began, 3)}
        failed, asked = WebhookFailed(f"The receiver answered {reply.status}{_hint(reply.status)}."), reply.retry_after
        if reply.status == 410:
            app.client.set(gone, "1", px=int(GONE_FOR * 1000))
            raise failed
    pause = next_pause(self.request.retries or 0, asked, random.random)
    print(f"{failed.message} Next try in {pause:.0f} s." if pause else f"{failed.message} That was the last try.")  # noqa: T201
    if pause is None:
        raise failed
    raise self.retry(exc=failed, countdown=pause)


def next_pause(tries: int, asked: float | None, chance: Callable[[], float]) -> float | None:
    """Return how many seconds to wait after this many further tries, None after the last.

    The receiver's own Retry-After is obeyed where it is longer, up to a day.
    """
    if tries >= len(SCHEDULE):
        return None
    pause = SCHEDULE[tries] * (1 + JITTER * chance())
    return max(pause, min(asked, LONGEST_PAUSE)) if asked else pause


def _hint(status: int) -> str:
    if 300 <= status < 400:
        return ", but redirects are not followed"
    return " Gone, and is not called any more" if status == 410 else ""


def _time(at: Any) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
