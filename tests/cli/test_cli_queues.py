"""`flask jobs queues`, `queue …` and `dead …`."""

from __future__ import annotations

from celeriac import actions
from celeriac.actions import Context
from celeriac.store import record
from tests.cli.conftest import Run
from tests.hand import Hand


def test_queues_are_listed_for_people_and_for_programs(run: Run, context: Context, hand: Hand) -> None:
    assert "There is no queue yet" in run("queues").out
    actions.submit(context, "steered_double", {"n": 1})
    actions.submit(context, "steered_double", {"n": 1}, delay=60)
    hand.listen("celery")

    heads, line = run("queues").out.splitlines()

    assert heads.split() == ["QUEUE", "READY", "IN", "FLIGHT", "DELAYED", "OLDEST", "CONSUMERS", "PAUSED", "SINCE"]
    assert line.split()[:4] == ["celery", "1", "0", "1"]
    assert run("queue", "list").out.splitlines()[0] == heads
    [found] = run("queues", "--json").json
    assert (found["name"], found["length"], found["delayed"], found["paused"]) == ("celery", 1, 1, False)


def test_a_queue_is_paused_and_resumed(run: Run, context: Context) -> None:
    actions.submit(context, "steered_double", {"n": 1})

    assert run("queue", "pause", "celery").out == "Queue celery is paused.\n"
    assert run("queue", "pause", "celery", "--json").json == {"queue": "celery", "paused": True, "changed": False}
    assert run("queues", "--json").json[0]["paused"]
    assert run("queue", "resume", "celery").out == "Queue celery goes on.\n"
    assert run("queue", "pause", "celry").code == 2


def test_a_purge_asks_first(run: Run, context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})

    assert run("queue", "purge", "celery", input="n\n").code == 1
    assert record.read(context.client, context.space, id).state == "queued"
    assert run("queue", "purge", "celery", "--yes").out == "1 messages taken off queue celery, 1 jobs cancelled.\n"
    assert record.read(context.client, context.space, id).state == "cancelled"


def test_release_waits_until_workers_have_stopped(run: Run, context: Context, hand: Hand) -> None:
    actions.submit(context, "steered_double", {"n": 1}, delay=60)
    hand.listen("celery")

    refused = run("queue", "release")

    assert (refused.code, "hand@test" in refused.err) == (5, True)
    assert run("queue", "release", "--force").out == "1 delayed and 0 in-flight messages are back in their queues.\n"


def test_dead_letters_are_listed_shown_requeued_and_thrown_away(run: Run, context: Context, hand: Hand) -> None:
    assert run("dead").out == "There are no dead letters.\n"
    ids = [actions.submit(context, "steered_double", {"n": n}) for n in range(3)]
    for _ in ids:
        hand.lose_for_good()

    listed = [letter["id"] for letter in run("dead", "--json").json]

    assert sorted(listed) == sorted(ids)
    page = run("dead", "--size", "1", "--json").json
    rest = run("queue", "dead", "--after", page[0]["id"], "--json").json
    assert [letter["id"] for letter in page + rest] == listed
    assert '"n": 0' in run("dead", "show", ids[0]).out.replace("\\", "")
    assert run("dead", "requeue", ids[0]).out == "1 queued again.\n"
    assert run("dead", "requeue", ids[0]).code == 4
    assert run("dead", "requeue").code == 2
    assert run("queue", "requeue", "--all").out == "2 queued again.\n"
    hand.lose_for_good()
    assert run("dead", "purge", "--all").out == "1 thrown away.\n"
    assert run("dead").out == "There are no dead letters.\n"
