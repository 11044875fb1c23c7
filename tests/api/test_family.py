"""The jobs that belong together, over HTTP: chains, groups, chords, and what a job submits."""

from __future__ import annotations

from typing import Any

import pytest
from celery import chain, chord, group
from flask import Flask

from celeriac import needs
from tests.api.served import Person
from tests.article.running import eventually


@pytest.fixture
def echo(app: Flask) -> Any:
    """A signature of a job that echoes."""
    celery = app.extensions["celery"]
    celery.finalize()
    name = app.extensions["celeriac"].context.jobs.find("echo").celery_name
    return celery.tasks[name].si


def relatives(who: Person, id: str) -> list[tuple[str, str]]:
    answer = who("GET", f"/api/jobs/{id}/family")
    assert answer.status_code == 200, answer.json
    return [(one["role"], one["id"]) for one in answer.json["items"]]


def ended(who: Person, *ids: str) -> None:
    for id in ids:
        eventually(lambda id=id: who("GET", f"/api/jobs/{id}").json["done"], f"the end of {id}")  # type: ignore[misc]


def test_a_chain_is_known_from_its_first_job_on_and_stays_so(olga: Person, echo: Any, worker: None) -> None:
    result = chain(echo("a"), echo("b"), echo("c")).apply_async()
    a, b, c = result.parent.parent.id, result.parent.id, result.id

    assert relatives(olga, a) == [("next", b), ("next", c)]
    ended(olga, c)

    assert relatives(olga, a) == [("next", b), ("next", c)]
    assert relatives(olga, b) == [("parent", a), ("next", c)]
    assert relatives(olga, c) == [("root", a), ("parent", b)]
    assert olga("GET", f"/api/jobs/{c}").json["parent_id"] == b


def test_a_job_that_follows_is_a_child_of_what_it_waits_for(olga: Person, echo: Any) -> None:
    result = chain(echo("a"), echo("b")).apply_async()

    assert relatives(olga, result.id) == [("parent", result.parent.id)]
    assert olga("GET", f"/api/jobs/{result.id}").json["parent_id"] == result.parent.id


def test_the_members_of_a_group_know_one_another(olga: Person, echo: Any) -> None:
    result = group(echo(text) for text in "abc").apply_async()
    a, b, c = (member.id for member in result.children)

    assert relatives(olga, b) == [("member", a), ("member", c)]
    assert olga("GET", f"/api/jobs/{a}").json["group_id"] == result.id


def test_a_chord_is_known_from_both_its_sides(olga: Person, echo: Any, worker: None) -> None:
    result = chord([echo("a"), echo("b")])(echo("the end"))
    a, b = (member.id for member in result.parent.children)
    ended(olga, result.id)

    assert relatives(olga, a) == [("member", b), ("body", result.id)]
    assert sorted(id for _, id in relatives(olga, result.id)) == sorted([a, b])
    assert {role for role, _ in relatives(olga, result.id)} <= {"parent", "before", "root"}


def test_what_a_job_submits_is_its_child(olga: Person, app: Flask, worker: None) -> None:
    id = olga.submit("hand_on", text="further")
    ended(olga, id)
    [(role, child)] = relatives(olga, id)

    assert role == "child"
    assert relatives(olga, child) == [("parent", id)]
    assert olga("GET", f"/api/jobs/{child}").json["root_id"] == id


def test_a_job_alone_has_no_relatives_and_one_that_never_was_is_unknown(olga: Person) -> None:
    assert relatives(olga, olga.submit()) == []
    assert olga("GET", "/api/jobs/nobody/family").status_code == 404


def test_who_submits_a_chain_sees_what_is_still_to_follow(ann: Person, bob: Person, app: Flask, echo: Any) -> None:
    @app.post("/chain")
    @needs("submit")
    def start() -> dict[str, str]:
        return {"id": chain(echo("a"), echo("b")).apply_async().id}

    last = ann("POST", "/chain").json["id"]

    assert ann("GET", f"/api/jobs/{last}").json["waiting"]["reason"] == "parent"
    assert [role for role, _ in relatives(ann, last)] == ["parent"]
    assert bob("GET", f"/api/jobs/{last}").status_code == 404


def test_nobody_sees_relatives_that_are_somebody_elses(ann: Person, bob: Person, app: Flask, worker: None) -> None:
    id = ann.submit("hand_on", text="mine")
    ended(ann, id)

    assert len(relatives(ann, id)) == 1
    assert bob("GET", f"/api/jobs/{id}/family").status_code == 404
