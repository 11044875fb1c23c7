"""What stands for a file among a job's arguments, and its schema. Pure: speaks to nobody but pydantic.

A reference is `{"file": "<id>"}`, with name, media type and size beside it when it comes from us; those are ours to
tell, so what a caller says of them is not believed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

F = TypeVar("F")

MARK = "x-celeriac-file"  # in the schema of a parameter that takes a file


class Reference(BaseModel):
    """A file that was sent before, by `POST /api/files`."""

    model_config = ConfigDict(extra="forbid", title="File", json_schema_extra={MARK: True})

    file: str = Field(pattern="^[0-9a-f]{32}$", description="The id that the upload was given.")
    name: str = ""
    media_type: str = ""
    size: int = 0


def file_schema(handler: GetCoreSchemaHandler, made: Callable[[str], F], told: Callable[[F], Any]) -> CoreSchema:
    """Return the schema of a type that is made from a reference's id, and told as a reference again."""
    return core_schema.no_info_after_validator_function(
        lambda reference: made(reference.file),
        handler.generate_schema(Reference),
        serialization=core_schema.plain_serializer_function_ser_schema(told),
    )


def references(value: Any, depth: int = 0) -> list[str]:
    """Return the ids of all files that JSON arguments or a result refer to."""
    if isinstance(value, dict):
        if isinstance(value.get("file"), str) and set(value) <= set(Reference.model_fields):
            return [value["file"]]
        inner = list(value.values())
    else:
        inner = list(value) if isinstance(value, list | tuple) else []
    return [id for each in inner for id in references(each, depth + 1)] if depth < 32 else []
