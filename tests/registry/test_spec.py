"""From one function: what it takes, what it refuses, what it says of itself."""

import datetime as dt
import enum
import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import AliasChoices, BaseModel, Field, SecretStr, field_validator
from typing_extensions import TypedDict

from celeriac.errors import InvalidArguments
from celeriac.registry import describe


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int = Field(gt=0)


class Person(BaseModel):
    name: str
    addresses: list[Address] = []


class Named(BaseModel):
    value: int = Field(validation_alias=AliasChoices("v", "val"), serialization_alias="out")


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError(f"{number} is odd.")
        return number


@dataclass
class Point:
    x: float
    y: float = 0.0


class Box(TypedDict):
    width: int


def add(x: int, y: int = 2) -> int:
    """Add two numbers.

    The article's first task.
    """
    return x + y


def refused(spec, arguments):
    with pytest.raises(InvalidArguments) as caught:
        spec.bind(arguments)
    assert caught.value.status == 422
    return {entry["pointer"]: entry["detail"] for entry in caught.value.errors}


def test_a_function_says_its_name_and_words():
    spec = describe(add)
    assert (spec.name, spec.summary, spec.queue) == ("add", "Add two numbers.", "celery")
    assert spec.description == "Add two numbers.\n\nThe article's first task."
    assert spec.celery_name == f"{__name__}.add"
    assert describe(add, name="plus", celery_name="x.y", queue="io").celery_name == "x.y"


def test_a_function_without_words_has_none():
    def quiet(): ...

    assert (describe(quiet).summary, describe(quiet).bind({})) == ("", {})


def test_what_is_left_out_stays_out_of_the_message_and_of_the_call():
    spec = describe(add)
    assert spec.bind({"x": 1}) == {"x": 1}
    assert spec.load({"x": 1}) == {"x": 1}


@pytest.mark.parametrize(
    ("arguments", "pointers"),
    [
        ({}, {"/x"}),
        ({"x": "1"}, {"/x"}),
        ({"x": True}, {"/x"}),
        ({"x": 1.5, "y": None}, {"/x", "/y"}),
        ({"x": 1, "z": 1}, {"/z"}),
        ({"x": 1, "a0": 1}, {"/a0"}),
        ({"x": [1]}, {"/x"}),
        ({"x": float("nan")}, {"/x"}),
        ({"x": 10**400}, {"/x"}),
        ({"x": 1, "\ud800": 1}, {"/?"}),
        ({"x": 1, 2: 1}, {"/2"}),
        ({"x": object()}, {"/x"}),
        ({"x" * 1000: 1, "x": 1}, {"/" + "x" * 100 + "…"}),
    ],
)
def test_wrong_arguments_are_refused_one_entry_per_field(arguments, pointers):
    assert set(refused(describe(add), arguments)) == pointers


def test_pointers_lead_into_what_was_sent_not_into_its_types():
    def ship(person: Person, to: Address | Point | None, tags: dict[str, int | bool]): ...

    told = refused(
        describe(ship),
        {"person": {"name": "A", "addresses": [{"street": "S", "number": 0}, {"number": 1}]},
         "to": {"nothing": 1}, "tags": {"a/b": "x"}},
    )  # fmt: skip
    assert set(told) >= {"/person/addresses/0/number", "/person/addresses/1/street", "/tags/a~1b"}
    assert all(pointer.startswith(("/person", "/to", "/tags")) for pointer in told)
    assert " Or: " in told["/tags/a~1b"]


def test_a_validators_own_sentence_is_passed_on():
    def run(even: Even): ...

    assert refused(describe(run), {"even": {"number": 3}}) == {"/even/number": "3 is odd."}


def test_many_wrong_entries_make_a_short_answer():
    def run(numbers: list[int]): ...

    assert len(refused(describe(run), {"numbers": ["x"] * 10_000})) <= 51


ROUND_TRIPS: list[tuple[Any, Any, Any]] = [
    (int, 3, 3),
    (float, 3, 3.0),
    (bool, True, True),
    (str, "é", "é"),
    (Any, {"a": [1, None]}, {"a": [1, None]}),
    (Optional[int], None, None),  # noqa: UP045 - both spellings are written by people
    (int | str, "1", "1"),
    (Literal["a", 2], 2, 2),
    (Colour, "red", Colour.RED),
    (dt.date, "2026-11-22", dt.date(2026, 11, 22)),
    (dt.datetime, "2026-11-22T10:00:00Z", dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)),
    (dt.time, "10:00:00", dt.time(10)),
    (dt.timedelta, "PT90S", dt.timedelta(seconds=90)),
    (Decimal, "1.10", Decimal("1.10")),
    (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
    (Path, "a/b", Path("a/b")),
    (bytes, "abc", b"abc"),
    (list[int], [1, 2], [1, 2]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (set[int], [1, 2, 1], {1, 2}),
    (frozenset[str], ["a"], frozenset("a")),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (dict[str, list[Colour]], {"x": ["blue"]}, {"x": [Colour.BLUE]}),
    (Point, {"x": 1}, Point(1.0)),
    (Box, {"width": 2}, {"width": 2}),
    (Person, {"name": "A", "addresses": [{"street": "S", "number": 1}]},
     Person(name="A", addresses=[Address(street="S", number=1)])),
    (Named, {"v": 3}, Named(v=3)),
    (SecretStr, "hush", SecretStr("hush")),
    (Annotated[int, Field(gt=2, description="how many")], 3, 3),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "sent", "loaded"), ROUND_TRIPS)
def test_each_type_travels_as_sent_and_arrives_as_python(kind, sent, loaded):
    def run(value): ...

    run.__annotations__["value"] = kind
    spec = describe(run)
    message = spec.bind({"value": sent})
    assert message == {"value": sent}
    assert spec.load(message) == {"value": loaded}
    assert type(spec.load(message)["value"]) is type(loaded)


def test_a_parameter_without_annotation_takes_any_json():
    def run(anything): ...

    assert describe(run).bind({"anything": [1, {"x": None}]}) == {"anything": [1, {"x": None}]}
    assert set(refused(describe(run), {"anything": {1, 2}})) == {"/anything"}


def test_parameters_may_be_called_what_a_model_cannot():
    def run(schema: int, copy: int, _private: int, model_config: int, self: int = 1, json: int = 1, a0: int = 1): ...

    spec = describe(run)
    arguments = {"schema": 1, "copy": 2, "_private": 3, "model_config": 4, "a0": 5}
    assert spec.load(spec.bind(arguments)) == arguments
    assert list(spec.schema["properties"]) == [
        "schema", "copy", "_private", "model_config", "self", "json", "a0",
    ]  # fmt: skip


def test_an_alias_cannot_rename_a_parameter():
    def run(x: Annotated[int, Field(alias="other", validation_alias="third")]): ...

    assert describe(run).load({"x": 1}) == {"x": 1}
    assert set(refused(describe(run), {"other": 1})) == {"/x", "/other"}


def test_keyword_only_parameters_are_given_by_name():
    def run(a: int, *, b: int = 2): ...

    spec = describe(run)
    assert spec.load(spec.bind({"a": 1, "b": 3})) == {"a": 1, "b": 3}
    with pytest.raises(InvalidArguments):
        spec.load({}, (1, 3))


def test_a_bound_task_hides_itself():
    def run(self, x: int): ...

    assert list(describe(run, bound=True).schema["properties"]) == ["x"]


def test_the_worker_takes_what_celery_brings():
    def run(x: int, when: dt.datetime, amount: Decimal = Decimal(1)): ...

    spec = describe(run)
    when = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    assert spec.load({"when": when, "amount": Decimal("2.5")}, (1,)) == {
        "x": 1, "when": when, "amount": Decimal("2.5"),
    }  # fmt: skip
    for kwargs, args in (({"x": 1}, (1, when)), ({}, (1, when, 2, 3)), ({"when": object()}, (1,)), ({}, ())):
        with pytest.raises(InvalidArguments):
            spec.load(kwargs, args)


def test_the_worker_checks_again_what_reached_it_by_another_way():
    deep: Any = 1
    for _ in range(900):
        deep = [deep]

    def run(x: Any): ...

    for hostile in (float("nan"), float("inf"), "\ud800", deep, 10**5000):
        with pytest.raises(InvalidArguments):
            describe(run).load({"x": hostile})


def test_the_schema_is_complete_and_keeps_the_order():
    def run(zebra: int, apple: Person, mango: float = 1.5, colour: Colour = Colour.RED): ...

    schema = describe(run).schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(schema["properties"]) == ["zebra", "apple", "mango", "colour"]
    assert schema["required"] == ["zebra", "apple"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["colour"]["default"] == "red"
    assert set(schema["$defs"]) == {"Address", "Colour", "Person"}


@pytest.mark.filterwarnings("error")
def test_a_default_that_json_cannot_carry_is_left_out_of_the_schema():
    def run(x: float = float("inf"), y: Any = Path, z: Any = 1): ...

    properties = describe(run).schema["properties"]
    assert [name for name in properties if "default" in properties[name]] == ["z"]
