"""What a request brings: its JSON, its preferences, its idempotency key. Speaks Flask and Werkzeug."""

from __future__ import annotations

import json
import re
import time
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from celeriac.api.parts import parts
from celeriac.errors import BadRequest, WrongMediaType
from celeriac.registry.body import parse_object, too_large, unfit
from celeriac.registry.value import JSON, MAX_FAULTS, Fault, pointer

Model = TypeVar("Model", bound=BaseModel)

JSON_TYPE = "application/json"
LONGEST_WAIT = 60
DRAINED = 64 * 1024 * 1024  # bytes of a refused body that are read nevertheless, so that its sender hears the answer
DRAIN_SECONDS = 5.0
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:;.*)?", re.IGNORECASE)


def limit() -> int:
    """Return how many bytes a body may have."""
    return parts().settings.body_limit


def json_object(*, optional: bool = False, most: int = 0) -> dict[str, JSON]:
    """Return the JSON object that was sent, of at `most` so many bytes; with `optional` an absent one is empty."""
    environ = request.environ
    if optional and not request.content_length and "Transfer-Encoding" not in request.headers:
        return {}
    if environ.get("CONTENT_TYPE") != JSON_TYPE and not request.is_json:
        raise WrongMediaType("The body is not declared as JSON.", "Send the header `Content-Type: application/json`.")
    most = most or limit()
    try:
        raw = get_input_stream(environ, max_content_length=most).read()
    except RequestEntityTooLarge:
        raise too_large(most) from None
    return parse_object(raw, most)


def fit(model: type[Model], given: dict[str, JSON]) -> Model:
    """Return the values as the model reads them; InvalidArguments has one entry per wrong field."""
    try:
        return model.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
        wrong = [Fault(pointer=pointer(one["loc"]), detail=one["msg"].rstrip(".") + ".") for one in details]
        raise unfit(wrong, "The body does not fit.", "The documentation says what it takes: /api/docs.") from None


def preferred_wait() -> int | None:
    """Return how long the caller would wait (`Prefer: wait=N`, seconds, at most a minute), or None."""
    prefer = request.environ.get("HTTP_PREFER")
    for preference in prefer.split(",") if prefer else ():
        if match := _WAIT.fullmatch(preference):
            return min(int(match[1]), LONGEST_WAIT)
    return None


def idempotency_key() -> str:
    """Return the request's idempotency key, '' without one."""
    key: str | None = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise BadRequest("The Idempotency-Key is not one.", "Use at most 255 visible ASCII characters, such as a UUID.")
    return key


def drain() -> None:
    """Read on, within bounds, what was sent but not read: closing on a sender would lose the answer for it."""
    if "stream" in request.__dict__ or not request.content_length:
        return
    stream, left = get_input_stream(request.environ), min(request.content_length, DRAINED)
    until = time.monotonic() + DRAIN_SECONDS
    try:
        while left > 0 and time.monotonic() < until and (part := stream.read(min(left, 65536))):
            left -= len(part)
    except (ClientDisconnected, OSError):
        return  # it does not listen anyway
