"""Arguments as words on a command line: NAME=VALUE, JSON, and files by their paths. Speaks to the app's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from celeriac.errors import BadRequest
from celeriac.registry import TaskSpec
from celeriac.registry.body import parse, parse_object
from celeriac.registry.file import MARK
from celeriac.worker.file import File

#: What stands before the path of a file, as with curl.
AT = "@"


def given(spec: TaskSpec | None, values: Sequence[str], arguments: str | None) -> dict[str, Any] | None:
    """Return the arguments as given in words and in JSON; None when none were.

    A file that is named by its path is kept, as if it had been sent. Raises BadRequest, TooLarge, StorageFull.
    """
    if not values and arguments is None:
        return None
    found: dict[str, Any] = parse_object(arguments.encode()) if arguments is not None else {}
    schema: Any = spec.schema if spec else {}
    several: dict[str, list[Any]] = {}
    for word in values:
        name, equals, text = word.partition("=")
        if not equals:
            raise BadRequest(f"{word!r} is not NAME=VALUE.", "Write it as in steps=5.")
        one, many = _takes_files(schema, name)
        if text.startswith(AT) and many:
            found[name] = several.setdefault(name, [])
            several[name].append(_kept(text[1:]))
        elif text.startswith(AT) and one:
            found[name] = _kept(text[1:])
        else:
            found[name] = _value(text, schema.get("properties", {}).get(name))
    return found


def _value(text: str, schema: Mapping[str, Any] | None) -> Any:
    """Return the word as text where the task takes text, else as the JSON it may be."""
    if schema and schema.get("type") == "string":
        return text
    try:
        return parse(text.encode())
    except BadRequest:
        return text


def _takes_files(schema: Mapping[str, Any], name: str) -> tuple[bool, bool]:
    """Return whether the parameter takes a file, and whether it takes a list of them."""

    def resolved(part: Any) -> Any:
        named = part.get("$ref", "").rpartition("/")[2]
        return schema["$defs"][named] if named else part

    parameter = schema.get("properties", {}).get(name, {})
    kinds = [resolved(part) for part in (parameter, *parameter.get("anyOf", ()))]
    return any(kind.get(MARK) for kind in kinds), any(resolved(kind.get("items", {})).get(MARK) for kind in kinds)


def _kept(path: str) -> dict[str, str | int]:
    """Keep the file at this path and return the reference to it."""
    try:
        return File(path=Path(path)).keep().reference()
    except OSError as error:
        raise BadRequest(f"{path!r} cannot be read: {error.strerror}.", "After @ stands the path of a file.") from error
