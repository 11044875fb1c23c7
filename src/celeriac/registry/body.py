"""A request's body, from bytes to JSON, safely. Pure: speaks to nobody.

Every check comes before the work that a hostile body would make expensive: size, then depth, then parsing,
then values. What is not understood is BadRequest (400), what is over the limit TooLarge (413), what is
understood but cannot be used InvalidArguments (422).
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from celeriac.errors import BadRequest, InvalidArguments, TooLarge
from celeriac.registry.value import JSON, MAX_DEPTH, MAX_FAULTS, Fault, faults, is_deeper, is_odd

MAX_BODY = 256 * 1024


def parse(raw: bytes, limit: int = MAX_BODY) -> JSON:
    """Return the JSON value in `raw`, at most `limit` bytes of UTF-8."""
    if len(raw) > limit:
        raise too_large(limit)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.", "Send JSON, encoded as UTF-8.") from None
    if is_deeper(raw):
        raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", "Send flatter JSON.")
    value = _loads(text)
    if is_odd(raw) and (wrong := faults(value)):
        raise unfit(wrong, "The body holds values that cannot be used.")
    return value


def parse_object(raw: bytes, limit: int = MAX_BODY) -> dict[str, JSON]:
    """Return the JSON object in `raw`; InvalidArguments when it is another kind of value."""
    value = parse(raw, limit)
    if not isinstance(value, dict):
        raise InvalidArguments(
            "The body is not a JSON object.",
            [{"pointer": "", "detail": "should be an object."}],
            'Send named values, as in {"x": 1}.',
        )
    return value


def too_large(limit: int) -> TooLarge:
    """Return the error for a body over `limit` bytes; also for a `Content-Length` that says so beforehand."""
    return TooLarge(f"The body is larger than {limit} bytes.", "Send less; large data belongs in a file.")


def unfit(wrong: list[Fault], message: str, hint: str = "") -> InvalidArguments:
    """Return InvalidArguments with one entry per pointer; several faults of one place become one sentence."""
    merged: dict[str, list[str]] = {}
    for fault in wrong[:MAX_FAULTS]:
        details = merged.setdefault(fault["pointer"], [])
        if fault["detail"] not in details:
            details.append(fault["detail"])
    entries = [{"pointer": place, "detail": " Or: ".join(details)} for place, details in merged.items()]
    if len(wrong) > MAX_FAULTS:
        entries.append({"pointer": "", "detail": "has more faults, which are not listed."})
    return InvalidArguments(message, entries, hint)


def _loads(text: str) -> JSON:
    try:
        value: JSON = _decode(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    except ValueError:
        # Python refuses to read an integer of more than 4300 digits.
        raise BadRequest("The body holds a number with too many digits.") from None
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadRequest("The body names one key of an object twice.", "Parsers disagree on which one counts.")
    return made


def _no_constant(word: str) -> NoReturn:
    raise BadRequest(f"The body holds {word}, which is not JSON.", "Send null, or leave the argument out.")


_decode = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant).decode
