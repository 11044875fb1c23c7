"""What stands for a file among a job's arguments, and its schema. Pure: speaks to nobody but pydantic.

A reference is `{"file": "<id>"}`, with name, media type and size beside it when it comes from us; those are ours to
tell, so what a caller says of them is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

F = TypeVar("F")

ID = re.compile(r"[0-9a-f]{32}")
MARK = "x-celeriac-file"  # in the schema of a parameter that takes a file


class Reference(BaseModel):
    """A file that was sent before, by `POST /api/files`."""

    model_config = ConfigDict(extra="forbid", title="File", json_schema_extra={MARK: True})

    file: str = Field(pattern=f"^{ID.pattern}$", description="The `id` that `POST /api/files` answered.")
    name: str = ""
    media_type: str = ""
    size: int = 0


FIELDS = frozenset(Reference.model_fields)


def file_schema(handler: GetCoreSchemaHandler, made: Callable[[str], F], told: Callable[[F], Any]) -> CoreSchema:
    """Return the schema of a type that is made from a reference's id, and told as a reference again."""
    return core_schema.no_info_after_validator_function(
        lambda reference: made(reference.file),
        handler.generate_schema(Reference),
        serialization=core_schema.plain_serializer_function_ser_schema(told),
    )


def reference(value: Any) -> str | None:
    """Return the id of the file that a value stands for; None when it is another value."""
    if isinstance(value, dict) and isinstance(value.get("file"), str) and set(value) <= FIELDS:
        return str(value["file"])
    return None


def is_file(value: Any) -> bool:
    """Is this what we write in the place of a file that a job returns: a reference with everything beside it?"""
    return reference(value) is not None and ID.fullmatch(value["file"]) is not None and set(value) == FIELDS


def references(value: Any, depth: int = 0) -> list[str]:
    """Return the ids of all files that JSON arguments or a result refer to."""
    if (one := reference(value)) is not None:
        return [one]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [id for each in inner for id in references(each, depth + 1)] if depth < 32 else []
