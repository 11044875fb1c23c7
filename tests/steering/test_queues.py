"""Queues say how they stand, and do what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery.result import AsyncResult
from flask import Flask
from redis import Redis

from celeriac import actions
from celeriac.actions import Context
from celeriac.errors import BrokerUnavailable, Conflict, UnknownQueue
from celeriac.job import State
from celeriac.store import queues, record
from celeriac.store.queues import Queue
from tests.hand import Hand
from tests.steering.steered import make_app


class Counting(Redis):
    """Remembers its commands: the server's own counters count others' too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.said: list[str] = []

    def execute_command(self, *words: Any, **options: Any) -> Any:
        self.said.append(words[0])
        return super().execute_command(*words, **options)


def described(context: Context, name: str = "celery") -> Queue:
    found = queues.find(context.client, context.space, name)
    assert found is not None
    return found


def state_of(context: Context, id: str) -> State:
    return record.read(context.client, context.space, id).state


def test_a_queue_says_what_is_ready_in_flight_and_delayed(context: Context, hand: Hand) -> None:
    for n in range(3):
        actions.submit(context, "steered_double", {"n": n})
    actions.submit(context, "steered_double", {"n": 9}, delay=60)
    hand.take()
    actions.submit(context, "steered_greet", {"name": "Ada"})

    found = described(context)

    assert (found.length, found.in_flight, found.delayed) == (2, 1, 1)
    assert [queue.name for queue in queues.list_queues(context.client, context.space)] == ["celery", "letters"]


def test_what_was_delayed_and_is_cancelled_or_due_is_delayed_no_more(context: Context, hand: Hand) -> None:
    cancelled = actions.submit(context, "steered_double", {"n": 1}, delay=60)
    due = actions.submit(context, "steered_double", {"n": 1}, delay=60)
    actions.cancel(context, cancelled)
    context.client.zadd(f"{context.space.keys}delayed", {f"{due}:0": 1})

    [delivery] = hand.take()

    assert delivery.token.startswith(due)
    assert described(context).delayed == 0


def test_the_oldest_is_the_message_that_will_be_taken_next(context: Context) -> None:
    first = actions.submit(context, "steered_double", {"n": 1})
    actions.submit(context, "steered_double", {"n": 2})
    submitted = int(context.client.hget(f"{context.space.keys}job:{first}", "created_at"))
    context.client.hset(f"{context.space.keys}job:{first}", "created_at", submitted - 90_000)

    oldest = described(context).oldest

    assert oldest is not None
    assert 90 <= oldest < 150


def test_all_priorities_of_a_queue_count_and_the_most_urgent_goes_first(context: Context) -> None:
    for priority in (9, 3, 0):
        actions.submit(context, "steered_double", {"n": priority}, priority=priority)

    assert described(context).length == 3


def test_a_queue_that_only_a_stock_producer_knows_is_listed(context: Context) -> None:
    separator = "\x06\x16"
    context.client.sadd("_kombu.binding.celery", f"reports{separator}{separator}reports")
    context.client.sadd("_kombu.binding.celery.pidbox", f"{separator}{separator}worker@host.celery.pidbox")
    context.client.lpush("reports", "{}", "not JSON")

    [found] = queues.list_queues(context.client, context.space)

    assert (found.name, found.length, found.oldest) == ("reports", 2, None)


def test_consumers_are_the_workers_heard_lately(context: Context, hand: Hand) -> None:
    hand.listen("celery", "io")
    hand.listen("celery", name="silent@test")
    context.client.zincrby(f"{context.space.keys}workers", -15_000, "silent@test")

    assert described(context).consumers == ("hand@test",)
    assert described(context, "io").consumers == ("hand@test",)


def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(context: Context, hand: Hand) -> None:
    actions.submit(context, "steered_double", {"n": 1})

    assert actions.pause(context, "celery")
    assert not actions.pause(context, "celery")
    assert described(context).paused
    assert hand.take() == []
    context.client.delete(f"{context.space.keys}bell:celery")
    assert actions.resume(context, "celery")
    assert not actions.resume(context, "celery")
    assert context.client.llen(f"{context.space.keys}bell:celery") == 1  # whoever waits at the bell looks again
    assert len(hand.take()) == 1


def test_a_queue_of_a_job_can_be_paused_before_its_first_message(context: Context) -> None:
    assert actions.pause(context, "letters")


def test_an_unknown_queue_is_told_with_the_nearest_known(context: Context) -> None:
    actions.submit(context, "steered_double", {"n": 1})

    with pytest.raises(UnknownQueue, match="Did you mean 'celery'"):
        actions.pause(context, "celry")


def test_a_purge_cancels_what_is_ready_and_nothing_else(app: Flask, context: Context, hand: Hand) -> None:
    running = actions.submit(context, "steered_double", {"n": 0})
    hand.start()
    ready = [actions.submit(context, "steered_double", {"n": n}, priority=n) for n in (0, 3)]
    delayed = actions.submit(context, "steered_double", {"n": 3}, delay=60)
    other = actions.submit(context, "steered_greet", {"name": "Ada"})
    gone = actions.submit(context, "steered_double", {"n": 4})
    actions.cancel(context, gone)

    assert actions.purge(context, "celery") == (3, 2)

    assert [state_of(context, id) for id in ready] == ["cancelled", "cancelled"]
    assert record.read(context.client, context.space, ready[0]).reason == "purged"
    assert AsyncResult(ready[0], app=app.extensions["celery"]).state == "REVOKED"
    assert [state_of(context, id) for id in (running, delayed, other)] == ["running", "scheduled", "queued"]
    assert described(context).length == 0


def test_a_large_queue_is_purged_in_several_moves(context: Context) -> None:
    context.client.lpush("celery", *["{}"] * (2 * queues.MOVED + 1))
    client = Counting(connection_pool=context.client.connection_pool)

    assert queues.purge(client, context.space, "celery") == (2 * queues.MOVED + 1, 0)
    assert [word for word in client.said if word != "LLEN"] == ["evalsha"] * 3


def test_a_purged_job_can_be_asked_for_again(context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    actions.purge(context, "celery")

    actions.retry(context, id)

    assert [delivery.token.rpartition(":")[0] for delivery in hand.take(n=5)] == [id]


def test_nothing_is_released_while_workers_are_alive(context: Context, hand: Hand) -> None:
    hand.listen("celery")

    with pytest.raises(Conflict, match="hand@test"):
        actions.release(context)


def test_release_gives_everything_to_stock_workers_as_their_own_messages(context: Context, hand: Hand) -> None:
    running = actions.submit(context, "steered_double", {"n": 1})
    hand.start()
    delayed = actions.submit(context, "steered_double", {"n": 2}, delay=60)

    assert actions.release(context) == (1, 1)

    messages = [json.loads(raw) for raw in context.client.lrange("celery", 0, -1)]
    etas = {message["headers"]["id"]: message["headers"]["eta"] for message in messages}
    assert set(etas) == {running, delayed}
    assert etas[delayed]  # the stock worker waits for it by itself
    found = described(context)
    assert (found.length, found.in_flight, found.delayed) == (2, 0, 0)
    assert {state_of(context, id) for id in (running, delayed)} == {State.QUEUED}


def test_a_released_message_that_one_of_us_takes_waits_for_its_time_again(context: Context, hand: Hand) -> None:
    actions.submit(context, "steered_double", {"n": 2}, delay=60)
    actions.release(context)

    [delivery] = hand.take()

    assert not delivery.delayed  # the channel looks at the ETA of what has not waited here


def test_queues_of_two_prefixes_in_one_database_know_nothing_of_each_other(broker_url: str) -> None:
    first, second = (
        make_app(broker_url, CELERIAC_KEY_PREFIX=prefix).extensions["celeriac"].context for prefix in ("a:", "b:")
    )
    actions.submit(first, "steered_double", {"n": 1})

    assert [queue.length for queue in queues.list_queues(first.client, first.space)] == [1]
    assert queues.list_queues(second.client, second.space) == []
    assert actions.purge(first, "celery") == (1, 1)


def test_a_broker_that_is_away_is_said_in_two_seconds() -> None:
    context = make_app("redis://127.0.0.1:1/0").extensions["celeriac"].context

    with pytest.raises(BrokerUnavailable):
        queues.list_queues(context.client, context.space)
    with pytest.raises(BrokerUnavailable, match="nothing was queued"):
        actions.submit(context, "steered_double", {"n": 1})
