"""Jobs are listed, searched, counted and picked for what is done to many of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from celeriac import history
from celeriac.errors import BadRequest, HistoryUnfit
from celeriac.history import pages
from celeriac.history.filters import Filter
from celeriac.history.house import History
from celeriac.job import State
from tests.history.conftest import House


@pytest.fixture
def asked(house: House) -> History:
    return history.of(house.app)


def all_pages(asked: History, filter: Filter, size: int) -> list[str]:
    found, token = [], ""
    while True:
        page = asked.page(filter, size, token)
        found += [job.id for job in page.items]
        token = page.next_token
        if not token:
            return found


def test_pages_show_every_job_once_the_newest_first(house: House, asked: History) -> None:
    ids = [house.submit() for _ in range(25)]
    house.copy()

    assert all_pages(asked, Filter(), 10) == ids[::-1]
    assert all_pages(asked, Filter(), 25) == ids[::-1]


def test_jobs_that_arrive_meanwhile_shift_nothing(house: House, asked: History) -> None:
    ids = [house.submit() for _ in range(6)]
    house.copy()
    first = asked.page(Filter(), 3)
    house.submit()
    house.copy()
    second = asked.page(Filter(), 3, first.next_token)

    assert [job.id for job in (*first.items, *second.items)] == ids[::-1]


def test_each_filter_and_all_of_them_together(house: House, asked: History) -> None:
    mine = house.submit("mail.send", "hello", queue="io", headers={"celeriac_owner": "alice"})
    house.submit("mail.send", "hello", queue="io", headers={"celeriac_owner": "bob"})
    house.submit("mail.send", "hello")
    house.submit("report.make", queue="io", headers={"celeriac_owner": "alice"})
    done = house.submit("mail.send", "hello", queue="io", headers={"celeriac_owner": "alice"}, priority=3)
    house.run(done, queue="io\x06\x163")
    house.copy()

    def count(**given: object) -> int:
        filter = Filter(**given)  # type: ignore[arg-type]
        assert len(all_pages(asked, filter, 2)) == asked.count(filter) == len(list(asked.ids(filter)))
        return asked.count(filter)

    assert count(task="mail.send") == 4
    assert count(queue="io") == 4
    assert count(owner="alice") == 3
    assert count(states=(State.SUCCEEDED,)) == 1
    assert count(states=(State.SUCCEEDED, State.QUEUED)) == 5
    assert count(text="hello") == 4
    whole = Filter((State.QUEUED,), "mail.send", "io", "alice", "hello")
    assert all_pages(asked, whole, 5) == [mine]


def test_words_of_arguments_and_errors_find_a_job(house: House, asked: History) -> None:
    id = house.submit("mail.send", {"to": "Alice.Müller@example.com", "password": "hunter2"}, 4711, [True, None])
    house.run(id, move="fail", error='{"type": "ConnectionRefusedError", "message": "no route to mail-7"}')
    other = house.submit("mail.send", "bob")
    house.copy()

    for text in (
        "alice",
        "MÜLLER",
        "example.com alice",
        "4711",
        "connectionrefusederror",
        "route mail",
        "mül*",
        "conn*",
    ):
        assert all_pages(asked, Filter(text=text), 5) == [id], text
    for text in ("alic", "hunter2", "alice bob", "true", "nothing"):
        assert all_pages(asked, Filter(text=text), 5) == [], text
    assert all_pages(asked, Filter(text="bob"), 5) == [other]


@pytest.mark.parametrize("text", ["' OR 1=1 --", "a* OR", "NEAR(", "x" * 400, "ab*"])
def test_whatever_is_asked_for_is_only_words(house: House, asked: History, text: str) -> None:
    house.submit("mail.send", "hello")
    house.copy()

    assert asked.page(Filter(text=text)).items == []


@pytest.mark.parametrize("text", ['"', "&|!", "\\", "%", "*", "", "x" * 600])
def test_what_has_no_words_is_refused(house: House, asked: History, text: str) -> None:
    with pytest.raises(BadRequest, match="no words"):
        asked.page(Filter(text=text))


def test_time_is_a_filter_like_the_others(house: House, asked: History) -> None:
    old = house.submit()
    house.client.hset(f"{house.space.keys}job:{old}", "created_at", int((datetime.now().timestamp() - 7200) * 1000))
    new = house.submit()
    house.copy()
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    assert all_pages(asked, Filter(created_after=hour_ago), 5) == [new]
    assert all_pages(asked, Filter(created_before=hour_ago), 5) == [old]
    assert asked.count(Filter(created_after=hour_ago)) == 1


def test_a_search_that_finds_little_ends_early_and_goes_on(
    house: House, asked: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = house.submit("mail.send", "hello", queue="rare")
    for _ in range(30):
        house.submit("mail.send", "hello")
        house.submit("report.make", queue="rare")
    house.copy()
    monkeypatch.setattr(pages, "FIRST", 11)
    monkeypatch.setattr(pages, "BUDGET", 0.0)
    page = asked.page(Filter(task="mail.send", queue="rare"), 5)

    assert page.items == []
    assert page.next_token
    for filter in (Filter(task="mail.send", queue="rare"), Filter(text="hello", queue="rare")):
        assert all_pages(asked, filter, 5) == [first]


@pytest.mark.parametrize("size", [2, 40])
def test_whichever_index_brings_the_jobs_the_same_are_found(
    house: House, asked: History, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(pages, "FIRST", 3)
    monkeypatch.setattr(pages, "SCAN", 5)
    told = []
    for i in range(40):
        task, queue, word = (
            ("yearly.audit", "mail.send")[i % 9 > 0],
            ("io", "celery")[i % 4 > 0],
            ("odd", "even")[i % 2],
        )
        told.append((house.submit(task, f"{word} words{i}", queue=queue), task, queue, word))
    house.copy()
    told.reverse()

    for task in ("yearly.audit", "mail.send", None):
        for queue in ("io", "celery", None):
            for word in ("odd", "even", "word*", None):
                wanted = [
                    id for id, *of_it in told
                    if task in (None, of_it[0]) and queue in (None, of_it[1]) and word in (None, "word*", of_it[2])
                ]  # fmt: skip
                assert all_pages(asked, Filter(task=task, queue=queue, text=word), size) == wanted


def test_a_token_belongs_to_its_filter(house: House, asked: History) -> None:
    for _ in range(3):
        house.submit()
    house.copy()
    token = asked.page(Filter(), 1).next_token

    for wrong in (token[:-3], "nonsense", "~~~", token + "x"):
        with pytest.raises(BadRequest):
            asked.page(Filter(), 1, wrong)
    with pytest.raises(BadRequest, match="not of this filter"):
        asked.page(Filter(task="mail.send"), 1, token)


def test_a_job_is_found_whole_long_after_redis_has_forgotten_it(house: House, asked: History) -> None:
    id = house.submit("mail.send", "alice", headers={"celeriac_owner": "bob"}, retries=1)
    house.run(id, '{"sent": true}')
    house.copy()
    house.client.flushdb()
    job = asked.find(id)

    assert job is not None
    assert (job.id, job.state, job.task, job.args, job.kwargs) == (id, "succeeded", "mail.send", ["alice"], {})
    assert (job.result, job.attempt, job.retries, job.extra["owner"]) == ({"sent": True}, 1, 1, "bob")
    assert None not in (job.created_at, job.started_at, job.finished_at)
    assert [t.state for t in asked.timeline(id)] == ["queued", "running", "succeeded"]
    assert asked.find("unknown") is None
    assert asked.timeline("unknown") == []


def test_a_question_before_there_are_tables_says_what_to_do(asked: History) -> None:
    with pytest.raises(HistoryUnfit, match="flask jobs db upgrade"):
        asked.page(Filter())


def test_picking_jobs_is_not_disturbed_by_what_is_done_to_them(house: House, asked: History) -> None:
    chosen = {house.submit() for _ in range(7)}
    house.copy()
    seen = set()
    for id in asked.ids(Filter(states=(State.QUEUED,))):
        seen.add(id)
        house.submit()
        house.copy()

    assert seen == chosen
    assert len(list(asked.ids(Filter(), most=4))) == 4
