"""A function that HTTP cannot offer is refused at start, in a sentence."""

from typing import Annotated

import pytest
from pydantic import Field

from celeriac.errors import ConfigError
from celeriac.registry import describe


def star(*numbers: int): ...


def double_star(**options: int): ...


def positional(x, /): ...


def field_default(x: int = Field(1, gt=0)): ...


def hidden_default(x: Annotated[int, Field(default=1)]): ...


def no_json(x: object()): ...  # type: ignore[valid-type]


def unknown(x: "NoSuchType"): ...  # noqa: F821


def bad_pattern(x: Annotated[str, Field(pattern="(")]): ...


def fine(x: int): ...


class Unfit:
    pass


def unfit(good: int, bad: Unfit): ...


async def later(): ...


def stream():
    yield 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (star, "*numbers"),
        (double_star, "**options"),
        (positional, "'x'"),
        (field_default, "'x'"),
        (hidden_default, "'x'"),
        (no_json, "'no_json'"),
        (unknown, "NoSuchType"),
        (bad_pattern, "'x'"),
        (unfit, "'bad'"),
        (later, "async def"),
        (stream, "generator"),
        (lambda: 1, "name"),
        (len, "not a function"),
    ],
)
def test_what_json_cannot_offer_is_refused_at_start_in_a_sentence(function, words):
    with pytest.raises(ConfigError) as caught:
        describe(function)
    assert words in caught.value.message
    assert caught.value.hint


def test_a_bound_task_without_itself_is_refused():
    def run(): ...

    with pytest.raises(ConfigError, match="no parameter for itself"):
        describe(run, bound=True)


@pytest.mark.parametrize("name", ["1x", "a b", "a/b", "x" * 101, "é", "a:b", "{x}"])
def test_a_name_that_cannot_stand_in_a_url_is_refused(name):
    with pytest.raises(ConfigError, match="name of a task"):
        describe(fine, name=name)
