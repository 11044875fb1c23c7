"""What the address of a request asks for, read as a model says; the document is told by the same model.

Speaks Flask and pydantic.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import BaseModel, BeforeValidator, ValidationError

from celeriac.errors import BadRequest
from celeriac.registry.openapi import Parameter

Model = TypeVar("Model", bound=BaseModel)

_DIGITS = re.compile(r"[0-9]{1,15}")
#: A whole number in an address.
Whole = Annotated[int, BeforeValidator(lambda text: int(text) if _DIGITS.fullmatch(str(text)) else text)]


def query(model: type[Model], *many: str) -> Model:
    """Return what the address asks for; what is in `many` may be repeated. BadRequest says what cannot be meant."""
    given: dict[str, list[str] | str] = {}
    for name, values in request.args.lists():
        if name not in model.model_fields:
            raise BadRequest(
                f"There is no parameter {name[:50]!r} here.", f"There are: {', '.join(model.model_fields)}."
            )
        if name not in many and len(values) > 1:
            raise BadRequest(f"{name} is given more than once.")
        given[name] = values if name in many else values[0]
    try:
        return model.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = f"{first['loc'][0]}: " if first["loc"] else ""
        raise BadRequest(f"{where}{first['msg']}.", "The documentation says what it takes: /api/docs.") from None


def parameters(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Return the model's fields as parameters of an address."""
    told = model.model_json_schema()
    named = told.get("$defs", {})
    made = []
    for name, field in told["properties"].items():
        schema = next(one for one in field.get("anyOf", [field]) if one.get("type") != "null")
        schema = {word: value for word, value in schema.items() if word not in ("title", "description")}
        made.append(Parameter(name, "query", field.get("description", ""), _resolved(schema, named)))
    return tuple(made)


def _resolved(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that stands alone."""
    if "$ref" in schema:
        found = named[schema["$ref"].rpartition("/")[2]]
        return {word: value for word, value in found.items() if word not in ("title", "description")}
    return {word: _resolved(value, named) if word == "items" else value for word, value in schema.items()}
