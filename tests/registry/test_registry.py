"""Tasks are found by name, and no name stands for two."""

import pytest

from celeriac.errors import ConfigError, UnknownTask
from celeriac.registry import Registry, describe


def add(x: int, y: int) -> int:
    return x + y


def test_a_decorated_function_stays_itself_and_is_listed():
    registry = Registry()

    @registry.job
    def first(): ...

    @registry.job(name="other", queue="io")
    def second(x: int): ...

    assert list(registry) == ["first", "other"]
    assert registry["other"].queue == "io"
    assert registry.find("first").function is first
    assert callable(second)


def test_two_tasks_of_one_name_are_refused():
    registry = Registry([describe(add)])
    with pytest.raises(ConfigError, match="Two tasks are named 'add'"):
        registry.add(describe(add, celery_name="elsewhere.add"))
    registry.add(describe(add, name="elsewhere_add", celery_name="elsewhere.add"))
    assert len(registry) == 2


def test_an_unknown_task_names_the_nearest():
    registry = Registry([describe(add)])
    with pytest.raises(UnknownTask, match="Did you mean 'add'") as caught:
        registry.find("ad")
    assert caught.value.status == 404
    with pytest.raises(UnknownTask) as caught:
        registry.find("x" * 100_000)
    assert len(str(caught.value)) < 300


def test_a_message_finds_its_task():
    registry = Registry([describe(add)])
    assert registry.by_celery_name(f"{__name__}.add") is registry["add"]
    assert registry.by_celery_name("nobody") is None
