"""A job that is submitted over HTTP names who is told of its end; what would not be called is refused first."""

from __future__ import annotations

import pytest
from flask import Flask

from celeriac import Celeriac, job
from celeriac.worker.embedded import embedded_worker
from tests.api.served import SECRET_KEY, Person
from tests.article.running import eventually
from tests.webhooks.receivers import receiver


@job(name="told_of")
def told_of() -> str:
    """Work."""
    return "done"


def make(broker_url: str, **config: str) -> Flask:
    flask = Flask("told")
    flask.config.update(BROKER_URL=broker_url, SECRET_KEY=SECRET_KEY, **config)
    Celeriac(flask)
    return flask


def test_a_job_names_who_is_told_and_its_delivery_is_listed(broker_url: str) -> None:
    app = make(broker_url, CELERIAC_WEBHOOK_ALLOW="127.0.0.1")
    ann = Person(app, "ann", "submit", "read")
    with receiver() as there, embedded_worker(app.extensions["celery"]):
        sent = ann("POST", "/api/jobs", {"task": "told_of", "callback_url": there.url})
        assert sent.status_code == 202, sent.json
        eventually(lambda: there.calls, "the call")

        [delivery] = ann("GET", f"/api/jobs/{sent.json['id']}/family").json["items"]
        assert (delivery["role"], delivery["task"]) == ("child", "celeriac.webhook")
        delivery = f"/api/jobs/{delivery['id']}"
        assert ann("GET", delivery, headers={"Prefer": "wait=60"}).json["state"] == "succeeded"
        assert ann("POST", f"{delivery}/retry").status_code == 202
        eventually(lambda: len(there.calls) == 2, "the replay")
    assert there.calls[0].headers["webhook-id"] == there.calls[1].headers["webhook-id"]


@pytest.mark.parametrize(
    "url",
    ["http://example.com/x", "https://127.0.0.1/x", "https://169.254.169.254/", "https://[::1]/", "ftp://example.com",
     "https://user:pw@example.com/", "https://localhost/", "", "nonsense", "https://2130706433/", "x" * 3000],
)  # fmt: skip
def test_an_address_that_would_not_be_called_is_refused_and_nothing_is_queued(broker_url: str, url: str) -> None:
    app = make(broker_url)
    answer = Person(app, "ann", "submit", "read")("POST", "/api/jobs", {"task": "told_of", "callback_url": url})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/callback_url"
    assert not app.extensions["celery"].client.exists("celery")
