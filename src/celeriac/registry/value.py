"""What a JSON value may be here, and how one is written. Pure: speaks to nobody but pydantic.

Good values are recognised from their text, at the speed of C; only when something looks odd is the value
walked, without recursion, so that no depth can hurt. A fault is told by its JSON Pointer (RFC 6901) and a
sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any, NoReturn, TypeAlias, TypedDict

from pydantic_core import PydanticSerializationError, from_json, to_json

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"

MAX_DEPTH = 32
#: More faults than this help nobody, and a hostile list of a million wrong entries must not cost a megabyte.
MAX_FAULTS = 50
_MAX_KEY_SHOWN = 100
_DOUBLE_BITS = 1024
#: Every digit as 0, every E as e: what a number may hide is then found by plain searches.
_FOLDED = bytes.maketrans(b"123456789E", b"000000000e")
_NO_BRACKET = bytes(code for code in range(256) if code not in b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _encoder(quoted: Callable[[str], str], *, nan: bool) -> Callable[[object], str]:
    """Return what writes JSON, with Python's own spaces, by an encoder that is made once: `json.dumps` makes one for
    each call. A value that contains itself is a RecursionError."""

    def strange(value: object) -> NoReturn:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    pieces = json.encoder.c_make_encoder(None, strange, quoted, None, ": ", ", ", False, False, nan)  # type: ignore[attr-defined]
    return lambda value: "".join(pieces(value, 0))


#: What `json.dumps` does.
dumps = _encoder(json.encoder.encode_basestring_ascii, nan=True)
_encode = _encoder(json.encoder.encode_basestring, nan=False)


class Fault(TypedDict):
    """One wrong place: where it is (JSON Pointer) and what is wrong with it (a sentence)."""

    pointer: str
    detail: str


def pointer(path: Iterable[str | int]) -> str:
    """Return the JSON Pointer of `path`; very long keys are cut, so that an error stays small."""
    return "".join("/" + _segment(step) for step in path)


def _segment(step: str | int) -> str:
    text = str(step)
    if len(text) > _MAX_KEY_SHOWN:
        text = text[:_MAX_KEY_SHOWN] + "…"
    # A lone surrogate in a key is itself a fault, and could not be sent back as UTF-8.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("~", "~0").replace("/", "~1")


def read(text: bytes) -> Any:
    """Return what this JSON says as Python's own reader does, in half its time. Raises ValueError, RecursionError."""
    try:
        return from_json(text)
    except ValueError:  # a lone surrogate, great depth; or Python refuses it, too
        return json.loads(text.decode())


def text_of(value: object) -> tuple[bytes, list[Fault]]:
    """Return `value` as JSON text and no faults, or no text and the faults that keep it from being JSON."""
    try:
        text = _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return b"", faults(value) or [Fault(pointer="", detail=f"cannot be JSON: {error}.")]
    if (is_deeper(text) or is_odd(text)) and (wrong := faults(value)):
        return b"", wrong
    return text, []


def written(value: Any) -> bytes:
    """Return a value of ours as JSON text."""
    try:
        return to_json(value, inf_nan_mode="constants")
    except PydanticSerializationError:  # half a character, which only JSON's own escapes can carry
        return json.dumps(value, separators=(",", ":")).encode()


def is_odd(text: bytes) -> bool:
    """Whether this JSON text may hold a lone surrogate or a number beyond a double; a walk must tell."""
    if b"\\ud" in text or b"\\uD" in text:
        return True
    folded = text.translate(_FOLDED)
    return b"e000" in folded or b"e+000" in folded or b"0" * 200 in folded


def is_deeper(text: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether this JSON text is nested deeper than `limit`; in linear time and without recursion."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    # JSON has no backslash outside strings: without escapes, every second piece between quotes is outside.
    bare = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    marks = left = bare.translate(None, _NO_BRACKET)
    for _ in range(limit):  # each round takes the innermost pairs away
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    # What is left is too deep, or not closed in order (the parser will say so): count exactly.
    return bool(left) and any(depth > limit for depth in accumulate(map(_STEPS.__getitem__, marks)))


def faults(value: object) -> list[Fault]:
    """Return what keeps `value` from being JSON we accept: at most MAX_FAULTS, none when it is fine.

    Refused: NaN and the infinities, integers beyond a double, lone surrogates, keys that are no strings,
    other Python types, and more than MAX_DEPTH arrays and objects inside each other.
    """
    if not isinstance(value, dict | list):
        wrong = _scalar_fault(value)
        return [Fault(pointer="", detail=wrong)] if wrong else []
    found: list[Fault] = []
    waiting: list[tuple[tuple[str | int, ...], dict[Any, object] | list[object]]] = [((), value)]
    while waiting and len(found) < MAX_FAULTS:
        path, container = waiting.pop()
        if len(path) >= MAX_DEPTH:
            return [Fault(pointer=pointer(path), detail=f"is nested deeper than {MAX_DEPTH} levels.")]
        if isinstance(container, dict):
            found += _key_faults(container, path)
        for key, child in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(child, dict | list):
                waiting.append(((*path, key), child))
            elif wrong := _scalar_fault(child):
                found.append(Fault(pointer=pointer((*path, key)), detail=wrong))
    return found[:MAX_FAULTS]


def _key_faults(container: dict[Any, object], path: tuple[str | int, ...]) -> Iterator[Fault]:
    for key in container:
        if not isinstance(key, str):
            yield Fault(pointer=pointer(path), detail="has a key that is not a string.")
        elif not _is_text(key):
            yield Fault(pointer=pointer((*path, key)), detail="has a lone surrogate in its name.")


def _scalar_fault(value: object) -> str:
    """Return the sentence that says what is wrong with a value that is no array and no object, or nothing."""
    if isinstance(value, str):
        return "" if _is_text(value) else "holds a lone surrogate, which is no character."
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return "" if value.bit_length() < _DOUBLE_BITS else "is a number out of range."
    if isinstance(value, float):
        return "" if math.isfinite(value) else "is not a finite number."
    return f"is of the Python type {type(value).__name__}, which JSON does not have."


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
