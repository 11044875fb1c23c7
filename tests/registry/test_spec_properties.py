"""Over generated signatures and values: what is bound is loaded, what is bound fits the schema."""

import datetime as dt
import enum
import inspect
import keyword
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from celeriac.errors import InvalidArguments
from celeriac.registry import describe
from celeriac.registry.body import parse_object

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


class Size(enum.Enum):
    SMALL = "s"
    LARGE = 2


class Node(BaseModel):
    label: str
    children: list["Node"] = []


@dataclass
class Spot:
    x: float
    y: float = 0.0


#: a type, and what a caller may send for it
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63)),
    (float, NUMBERS | st.integers(-(2**53), 2**53)),
    (bool, st.booleans()),
    (str, TEXT),
    (Any, JSON),
    (inspect.Parameter.empty, JSON),
    (Annotated[int, Field(ge=0, lt=100)], st.integers(0, 99)),
    (Annotated[str, Field(min_length=1, pattern="^[a-z]+$")], st.text("abcxyz", min_size=1, max_size=9)),
    (Literal["a", "b", 3], st.sampled_from(["a", "b", 3])),
    (Size, st.sampled_from(["s", 2])),
    (dt.date, st.dates().map(dt.date.isoformat)),
    (dt.datetime, st.datetimes(timezones=st.just(dt.UTC)).map(dt.datetime.isoformat)),
    (uuid.UUID, st.uuids().map(str)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str)),
    (Spot, st.fixed_dictionaries({"x": NUMBERS}, optional={"y": NUMBERS})),
    (
        Node,
        st.recursive(
            TEXT.map(lambda label: {"label": label}),
            lambda inner: st.builds(
                lambda label, children: {"label": label, "children": children},
                TEXT,
                st.lists(inner, max_size=2),
            ),
            max_leaves=5,
        ),
    ),
]
SIMPLE = st.sampled_from(KINDS)
KIND = SIMPLE | st.one_of(
    SIMPLE.filter(lambda kind: kind[0] is not inspect.Parameter.empty).map(
        lambda kind: (kind[0] | None, kind[1] | st.none()) if kind[0] is not Any else kind
    ),
    SIMPLE.filter(lambda kind: kind[0] is not inspect.Parameter.empty).map(
        lambda kind: (list[kind[0]], st.lists(kind[1], max_size=3))
    ),
    SIMPLE.filter(lambda kind: kind[0] is not inspect.Parameter.empty).map(
        lambda kind: (dict[str, kind[0]], st.dictionaries(TEXT, kind[1], max_size=3))
    ),
)
NAMES = st.text("abcdefgh_", min_size=1, max_size=8).filter(lambda name: not keyword.iskeyword(name))


@st.composite
def calls(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """Return the spec of a function nobody wrote, and arguments that fit it."""
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    parameters, sendable = [], {}
    for name in names:
        annotation, values = draw(KIND)
        default = inspect.Parameter.empty
        if draw(st.booleans()):
            default = None
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        )
        if default is inspect.Parameter.empty or draw(st.booleans()):
            sendable[name] = draw(values)

    def invented() -> None: ...

    invented.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    invented.__annotations__ = {p.name: p.annotation for p in parameters if p.annotation is not inspect.Parameter.empty}
    return describe(invented), sendable


@settings(max_examples=150, deadline=None)
@given(calls())
def test_what_fits_is_bound_as_sent_fits_the_schema_and_is_loaded(call):
    spec, arguments = call
    message = spec.bind(arguments)
    assert message == arguments
    jsonschema.Draft202012Validator.check_schema(spec.schema)
    jsonschema.Draft202012Validator(spec.schema).validate(message)
    loaded = spec.load(message)
    assert loaded.keys() == arguments.keys()
    for parameter in spec.parameters:
        if parameter.name in loaded and parameter.annotation is not inspect.Parameter.empty:
            TypeAdapter(parameter.annotation).validate_python(loaded[parameter.name], strict=True)


@settings(max_examples=150, deadline=None)
@given(calls())
def test_python_values_given_in_code_are_loaded_too(call):
    spec, arguments = call
    loaded = spec.load(arguments)
    assert spec.load(loaded) == loaded


@settings(max_examples=200, deadline=None)
@given(calls(), st.dictionaries(NAMES, JSON, max_size=4))
def test_what_is_bound_fits_the_schema_and_what_is_not_says_where(call, arguments):
    spec, _ = call
    try:
        message = spec.bind(arguments)
    except InvalidArguments as error:
        pointers = [entry["pointer"] for entry in error.errors]
        assert pointers
        assert len(pointers) == len(set(pointers))
        known = {parameter.name for parameter in spec.parameters} | arguments.keys()
        assert all(pointer.split("/")[1] in known for pointer in pointers)
    else:
        jsonschema.Draft202012Validator(spec.schema).validate(message)


@settings(max_examples=150, deadline=None)
@given(calls())
def test_the_way_through_a_request_body_changes_nothing(call):
    spec, arguments = call
    raw = TypeAdapter(dict[str, Any]).dump_json(arguments)
    assert spec.bind(parse_object(raw)) == arguments
