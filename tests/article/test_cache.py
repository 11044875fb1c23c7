"""Redis as the article's cache: JSON values with an expiry, one for each call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import Redis

from backend import create_app
from celeriac import cached
from tests.article.running import eventually, free_port


@pytest.fixture
def app(broker_url: str) -> Iterator[Flask]:
    app = create_app(BROKER_URL=broker_url)
    with app.app_context():
        yield app


@pytest.fixture
def numbered() -> Callable[..., list[int]]:
    """A cached function that says how often it was really called."""
    calls = itertools.count(1)

    @cached(300)
    def numbered(x: object = 0, *, deep: bool = False) -> list[int]:
        return [next(calls)]

    return numbered


@pytest.mark.usefixtures("app")
def test_a_second_call_is_answered_from_the_cache(numbered: Callable[..., list[int]]) -> None:
    assert numbered(1) == numbered(1) == [1]


@pytest.mark.usefixtures("app")
def test_one_call_has_one_key_however_it_is_spelled(numbered: Callable[..., list[int]]) -> None:
    assert numbered() == numbered(0) == numbered(x=0) == numbered(0, deep=False) == [1]


@pytest.mark.usefixtures("app")
def test_different_arguments_have_different_keys(numbered: Callable[..., list[int]]) -> None:
    answers = [numbered(x) for x in (1, "1", 1.5, True, None, [1], {"a": 1})] + [numbered(1, deep=True)]

    assert answers == [[n] for n in range(1, 9)]


@pytest.mark.usefixtures("app")
def test_two_functions_do_not_share_a_key() -> None:
    @cached(300)
    def one(x: int) -> str:
        return "one"

    @cached(300)
    def other(x: int) -> str:
        return "other"

    assert (one(1), other(1)) == ("one", "other")


@pytest.mark.usefixtures("app")
def test_a_value_expires() -> None:
    calls = itertools.count(1)

    @cached(0.2)
    def brief() -> int:
        return next(calls)

    assert brief() == 1
    eventually(lambda: brief() == 2, "a second value after the first expired")


@pytest.mark.usefixtures("app")
def test_nothing_is_remembered_without_an_expiry(broker_url: str, numbered: Callable[..., list[int]]) -> None:
    numbered(1)

    with Redis.from_url(broker_url) as redis:
        keys = redis.keys("*")
        assert len(keys) == 1
        assert keys[0].startswith(b"celeriac:cache:")
        assert 0 < redis.pttl(keys[0]) <= 300_000
        assert redis.get(keys[0]) == b"[1]"


@pytest.mark.usefixtures("app")
def test_a_miss_and_a_hit_give_the_same_kind_of_value() -> None:
    @cached(300)
    def pair() -> tuple[int, ...]:
        return (1, 2)

    assert pair() == pair() == [1, 2]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("value", [{1, 2}, b"bytes", float("nan"), object()])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    @cached(300)
    def odd() -> object:
        return value

    with pytest.raises((TypeError, ValueError)):
        odd()


def test_an_exception_is_not_remembered(app: Flask) -> None:
    calls = itertools.count(1)

    @cached(300)
    def shaky() -> int:
        if next(calls) == 1:
            raise LookupError("not yet")
        return 2

    with pytest.raises(LookupError):
        shaky()
    assert shaky() == 2


def test_without_redis_values_are_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")

    @cached(300)
    def simple() -> int:
        return 7

    with app.app_context():
        assert simple() == 7
    assert "cache could not be read" in caplog.text
