"""JSON Schema (draft 2020-12) of a model, in the order of its fields. Pure: speaks to nobody but pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind, models_json_schema
from pydantic_core import core_schema

from celeriac.registry.value import JSON, faults

DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMPONENTS = "#/components/schemas/{model}"

Mode = Literal["validation", "serialization"]


class _Generator(GenerateJsonSchema):
    """pydantic's generator, but a default that JSON cannot carry is left out, without a warning."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if "default" in made and faults(made["default"]):
            del made["default"]
        return made


def argument_schema(model: type[BaseModel]) -> dict[str, JSON]:
    """Return the schema that a call's arguments must fit, complete in itself."""
    return {"$schema": DIALECT, **model.model_json_schema(schema_generator=_Generator, mode="validation")}


def component_schemas(
    models: Sequence[tuple[type[BaseModel], Mode]],
) -> tuple[dict[tuple[type[BaseModel], Mode], dict[str, JSON]], dict[str, JSON]]:
    """Return a reference for each model and mode, and the components that they refer to, for one document."""
    references, made = models_json_schema(models, schema_generator=_Generator, ref_template=COMPONENTS)
    components: dict[str, JSON] = made.get("$defs", {})
    return dict(references), components  # type: ignore[arg-type]
