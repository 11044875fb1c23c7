"""From a function's signature to the model of its arguments. Pure: speaks to nobody but pydantic.

Everything that could not be offered over JSON is refused here, at start, by a sentence that names the
parameter and the remedy. A type of our own (a file, say) joins by being a pydantic type: nothing here needs
to know it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaError

from celeriac.errors import ConfigError
from celeriac.registry.schema import argument_schema

_MODEL = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=False)
#: What pydantic raises for a type that has no model, no JSON Schema, or a pattern that is none.
_UNFIT = (PydanticUserError, SchemaError, TypeError, NameError)
_VARIADIC: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def parameters_of(name: str, function: Callable[..., object], *, bound: bool) -> list[inspect.Parameter]:
    """Return the parameters that a caller gives; `bound` leaves out the first one, the task itself."""
    _refuse_unfit_function(name, function)
    parameters = list(inspect.signature(function).parameters.values())
    if bound:
        if not parameters:
            raise ConfigError(
                f"The bound task {name!r} takes no parameter for itself.", f"Write `def {name}(self, …)`."
            )
        parameters = parameters[1:]
    for parameter in parameters:
        _refuse_unfit_parameter(name, parameter)
    return parameters


def model_of(name: str, function: Callable[..., object], parameters: list[inspect.Parameter]) -> type[BaseModel]:
    """Return the model of a call's arguments: field `a0` is the first parameter, its alias that one's name.

    The fields carry names of their own because a parameter may be called `schema`, `copy` or `_x`, which a
    model cannot use.
    """
    hints = _hints(name, function)
    fields = {
        f"a{index}": _field(parameter, hints.get(parameter.name, Any)) for index, parameter in enumerate(parameters)
    }
    title = f"{name}_arguments"
    try:
        model: type[BaseModel] = create_model(title, __config__=_MODEL, __module__=function.__module__, **fields)
        argument_schema(model)
    except _UNFIT as error:
        raise _refusal(name, parameters, hints, error) from error
    for info, parameter in zip(model.model_fields.values(), parameters, strict=True):
        if parameter.default is inspect.Parameter.empty and not info.is_required():
            raise ConfigError(
                f"The parameter {parameter.name!r} of task {name!r} has a default that only its Field knows.",
                "Give the default in the signature: `x: Annotated[int, Field(gt=0)] = 1`.",
            )
    return model


def _field(parameter: inspect.Parameter, hint: object) -> Any:
    given = {} if parameter.default is inspect.Parameter.empty else {"default": parameter.default}
    named = Field(alias=parameter.name, validation_alias=parameter.name, **given)
    return (hint, named)


def _hints(name: str, function: Callable[..., object]) -> Mapping[str, object]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ConfigError(
            f"An annotation of task {name!r} cannot be read: {error}.",
            "Import the types it names at module level, outside `if TYPE_CHECKING`.",
        ) from error


def _refuse_unfit_function(name: str, function: Callable[..., object]) -> None:
    inner = inspect.unwrap(function)
    if not inspect.isfunction(inner):
        raise ConfigError(f"The task {name!r} is not a function.", "Decorate a plain `def`.")
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise ConfigError(
            f"The task {name!r} is an `async def`, which Celery does not run.",
            "Make it a plain `def`; call `asyncio.run(...)` inside it.",
        )
    if inspect.isgeneratorfunction(inner):
        raise ConfigError(
            f"The task {name!r} is a generator, which has no result to keep.",
            "Return a list, or report steps with `track()`.",
        )


def _refuse_unfit_parameter(name: str, parameter: inspect.Parameter) -> None:
    if stars := _VARIADIC.get(parameter.kind):
        raise ConfigError(
            f"The task {name!r} takes {stars}{parameter.name}; callers could not know what it accepts.",
            "Name each parameter, or take one list or dict.",
        )
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise ConfigError(
            f"The parameter {parameter.name!r} of task {name!r} is positional-only; JSON gives arguments by name.",
            "Remove the `/` from the signature.",
        )
    if isinstance(parameter.default, FieldInfo):
        raise ConfigError(
            f"The parameter {parameter.name!r} of task {name!r} has a Field as its default; "
            "called from Python it would be that Field.",
            "Write `x: Annotated[int, Field(gt=0)] = 1`.",
        )


def _refusal(
    name: str, parameters: list[inspect.Parameter], hints: Mapping[str, object], error: Exception
) -> ConfigError:
    """Return the refusal that names the parameter whose type is to blame, found by trying each alone."""
    for parameter in parameters:
        hint: Any = hints.get(parameter.name, Any)
        try:
            TypeAdapter(hint).json_schema()
        except _UNFIT as reason:
            return ConfigError(
                f"The parameter {parameter.name!r} of task {name!r} is a {inspect.formatannotation(hint)}, "
                f"which cannot come from JSON: {str(reason).splitlines()[0]}",
                "Use numbers, text, dates, lists, dicts, enums, dataclasses or pydantic models.",
            )
    return ConfigError(f"The arguments of task {name!r} make no model: {error}.", "Simplify its annotations.")
