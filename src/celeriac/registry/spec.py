"""A task as others may ask for it: its name, words, arguments. Pure: speaks to nobody but pydantic.

1. `describe` makes the spec from a function, at start; what cannot be offered over JSON is refused there.
2. The API and the command line call `bind` before anything is queued: its answer goes into the message.
3. The worker calls `load` with what the message brought, and gets the values to call the function with.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json, to_jsonable_python

from celeriac.errors import ConfigError, InvalidArguments
from celeriac.registry.arguments import model_of, parameters_of
from celeriac.registry.body import unfit
from celeriac.registry.schema import argument_schema
from celeriac.registry.value import JSON, MAX_FAULTS, Fault, is_deeper, is_odd, pointer, read, text_of

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What one task is called, what it says of itself and what it takes."""

    name: str
    celery_name: str
    queue: str
    summary: str
    description: str
    function: Callable[..., object] = field(repr=False, compare=False)
    model: type[BaseModel] = field(repr=False, compare=False)
    parameters: tuple[inspect.Parameter, ...] = field(repr=False, compare=False)
    #: What may be given by position, and which field of the model is which parameter.
    open_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    places: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = tuple(p.name for p in self.parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY)
        object.__setattr__(self, "open_names", names)  # frozen
        object.__setattr__(self, "places", tuple((f"a{n}", p.name) for n, p in enumerate(self.parameters)))

    @property
    def schema(self) -> dict[str, JSON]:
        """The JSON Schema (2020-12) of the arguments, fields in the order of the signature."""
        return argument_schema(self.model)

    def bind(self, arguments: Mapping[str, object]) -> dict[str, JSON]:
        """Return `arguments` as the message carries them; InvalidArguments has one entry per wrong field.

        They are validated as JSON, strictly: "1" is no number, true is no number, a date is an ISO string.
        What is returned is what was given, so that the worker validates the very same values again; left
        out is left out.
        """
        text = self._text(arguments)
        self._model(text)
        given: dict[str, JSON] = read(text)
        return given

    def load(self, kwargs: Mapping[str, object], args: Sequence[object] = ()) -> dict[str, Any]:
        """Return the Python values to call the function with; InvalidArguments as `bind`.

        Takes what a Celery message may bring: positional arguments too, and the dates, UUIDs and decimals
        that Celery's own JSON turns back into Python objects.
        """
        named = self._named(args, kwargs)
        try:
            text = to_json(named, inf_nan_mode="constants")
        except (ValueError, RecursionError):
            text = b""
        if not text or is_deeper(text) or is_odd(text) or b"NaN" in text or b"Infinity" in text:
            text = self._text(self._plain(named))
        model = self._model(text)
        values, given = model.__dict__, model.__pydantic_fields_set__
        return {name: values[place] for place, name in self.places if place in given}

    def _plain(self, named: dict[str, object]) -> Any:
        try:
            return to_jsonable_python(named, inf_nan_mode="constants")
        except (ValueError, RecursionError) as error:
            raise self._refusal([Fault(pointer="", detail=f"cannot be carried by JSON ({error}).")]) from error

    def _text(self, arguments: Mapping[str, object]) -> bytes:
        text, wrong = text_of(dict(arguments))
        if wrong:
            raise self._refusal(wrong)
        return text

    def _model(self, text: bytes) -> BaseModel:
        try:
            model: BaseModel = self.model.__pydantic_validator__.validate_json(text, strict=True)
            return model
        except ValidationError as error:
            raise self._refusal(_faults_of(error, json.loads(text))) from None

    def _named(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        if len(args) > len(self.open_names):
            many = f"takes {len(self.open_names)} arguments by position, {len(args)} were given."
            raise self._refusal([Fault(pointer="", detail=many)])
        named = dict(zip(self.open_names, args, strict=False))
        if not kwargs:
            return named
        if twice := named.keys() & kwargs.keys():
            raise self._refusal([Fault(pointer=pointer((name,)), detail="was given twice.") for name in sorted(twice)])
        return named | dict(kwargs)

    def _refusal(self, wrong: list[Fault]) -> InvalidArguments:
        return unfit(wrong, f"The arguments do not fit the task {self.name!r}.", "Its schema says what it takes.")


def describe(
    function: Callable[..., object],
    *,
    name: str | None = None,
    celery_name: str | None = None,
    queue: str = "celery",
    bound: bool = False,
) -> TaskSpec:
    """Return the spec of `function`; ConfigError when it cannot be offered over JSON.

    `celery_name` is the name in messages (default `module.function`); `bound` says that the first parameter
    is the task itself, as with Celery's `bind=True`.
    """
    public = name or str(getattr(function, "__name__", type(function).__name__))
    if not _NAME.fullmatch(public):
        raise ConfigError(
            f"{public!r} cannot be the name of a task.",
            "Use a letter, then letters, digits, `_`, `.` or `-`, at most 100: `@job(name=…)`.",
        )
    parameters = parameters_of(public, function, bound=bound)
    text = inspect.getdoc(function) or ""
    return TaskSpec(
        name=public,
        celery_name=celery_name or f"{function.__module__}.{function.__name__}",
        queue=queue,
        summary=text.partition("\n")[0].strip(),
        description=text,
        function=function,
        model=model_of(public, function, parameters),
        parameters=tuple(parameters),
    )


def _faults_of(error: ValidationError, given: Mapping[str, object]) -> list[Fault]:
    count = error.error_count()
    if count > _MAX_LISTED:
        # A hundred thousand entries made only to show fifty would cost a hostile caller nothing and us much.
        return [Fault(pointer="", detail=f"has {count} faults, too many to list.")]
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [_fault(detail, given) for detail in details[: MAX_FAULTS + 1]]


def _fault(error: ErrorDetails, given: Mapping[str, object]) -> Fault:
    """Return pydantic's error at its place in what was given.

    pydantic's location also names union members, keys and validators; those lead nowhere in the input and
    are left out, except the last step of a missing field, which leads nowhere by nature.
    """
    path: list[str | int] = []
    place: Any = given
    steps = error["loc"]
    for index, step in enumerate(steps):
        known = range(len(place)) if isinstance(place, list) else place
        if isinstance(known, dict | range) and step in known:
            place = place[step]
        elif not (error["type"] == "missing" and index == len(steps) - 1):
            continue
        path.append(step)
    sentence = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return Fault(pointer=pointer(path), detail=sentence.rstrip(".") + ".")
