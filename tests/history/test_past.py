"""A job that Redis has forgotten is shown from the history, to those who may see it; what happened to it, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celeriac import history
from celeriac.job import Move
from tests.api.served import Person, make_app
from tests.history.asked import Asked, asked_app


@pytest.fixture
def asked(broker_url: str, database_url: str) -> Iterator[Asked]:
    with asked_app(broker_url, database_url) as made:
        yield made


def forget(asked: Asked, id: str, tombstone: str = "") -> None:
    """Let Redis forget a job, as it does after its retention; its tombstone goes later."""
    client, keys = asked.hand.client, asked.hand.space.keys
    client.delete(f"{keys}job:{id}", f"{keys}gone:{id}")
    if tombstone:
        client.set(f"{keys}gone:{id}", tombstone)


@pytest.mark.parametrize("tombstone", ["failed", ""])
def test_a_forgotten_job_is_shown_as_it_was(asked: Asked, tombstone: str) -> None:
    id = asked.ann.submit("echo", text="hello")
    asked.end(id, Move.FAIL, error="no")
    asked.ann("POST", f"/api/jobs/{id}/retry")
    asked.end(id, result="hello")
    before = asked.ann("GET", f"/api/jobs/{id}").json
    happened = asked.ann("GET", f"/api/jobs/{id}/timeline").json["items"]
    asked.copied()
    forget(asked, id, tombstone)

    shown = asked.ann("GET", f"/api/jobs/{id}", headers={"Prefer": "wait=5"})
    assert shown.status_code == 200
    for name in ("id", "task", "state", "done", "arguments", "result", "attempt", "owner", "attempts", "created_at"):
        assert shown.json[name] == before[name], name
    assert shown.json["attempts"]
    assert shown.json["links"] == {"self": f"/api/jobs/{id}", "retry": f"/api/jobs/{id}/retry"}
    later = asked.ann("GET", f"/api/jobs/{id}/timeline").json["items"]
    assert [(one["at"], one["state"]) for one in later] == [(one["at"], one["state"]) for one in happened]
    assert [one["state"] for one in later] == ["queued", "running", "failed", "queued", "running", "succeeded"]
    etag = shown.headers["ETag"]
    assert asked.ann("GET", f"/api/jobs/{id}", headers={"If-None-Match": etag}).status_code == 304


def test_a_forgotten_job_is_still_nobody_elses(asked: Asked) -> None:
    id = asked.ann.submit("echo", text="hello")
    link = asked.ann("POST", f"/api/jobs/{id}/links").json["key"]
    asked.end(id, result="hello")
    asked.copied()
    forget(asked, id, "succeeded")

    for path in (f"/api/jobs/{id}", f"/api/jobs/{id}/timeline"):
        assert asked.bob("GET", path).status_code == 404
        assert asked.olga("GET", path).status_code == 200
        assert Person(asked.app, "")("GET", f"{path}?key={link}").status_code == 200
        assert Person(asked.app, "")("GET", path).status_code == 401


def test_what_was_deleted_or_pruned_is_gone(asked: Asked) -> None:
    deleted, pruned = asked.ann.submit(), asked.ann.submit()
    asked.end(deleted)
    asked.end(pruned)
    asked.copied()
    asked.ann("DELETE", f"/api/jobs/{deleted}")
    assert asked.ann("GET", f"/api/jobs/{deleted}").status_code == 410  # SQL may still have it at this moment
    asked.copied()
    forget(asked, pruned, "succeeded")
    history.of(asked.app).prune(0.0)

    for id in (deleted, pruned):
        for path in (f"/api/jobs/{id}", f"/api/jobs/{id}/timeline"):
            assert asked.ann("GET", path).status_code == 410
    assert asked.ann("GET", "/api/jobs/never").status_code == 404


def test_without_a_history_what_redis_knows_is_told(broker_url: str) -> None:
    ann = Person(make_app(broker_url, CELERIAC_HISTORY=False), "ann", "submit", "read")
    id = ann.submit()

    assert [one["state"] for one in ann("GET", f"/api/jobs/{id}/timeline").json["items"]] == ["queued"]
    assert ann("GET", "/api/jobs/never").status_code == 404
