"""What is answered: JSON, with what HTTP says about it. Speaks Flask."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, request

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # a signed link is in the address
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HSTS = "max-age=31536000"
_text = json.JSONEncoder(separators=(",", ":")).encode


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `body` as JSON."""
    return respond(_text(body), status, headers)


def respond(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer JSON text."""
    return current_app.response_class(text, status, dict(headers or {}), content_type="application/json")


def tagged(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `body` with its version as `ETag`, or 304 when the caller has that version already."""
    text = _text(body)
    version = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    response = respond(text, headers={"ETag": version, "Cache-Control": "private, no-cache", **(headers or {})})
    if "If-None-Match" in request.headers:
        response.make_conditional(request)
    return response


def nothing() -> Response:
    """Answer that it is done and there is nothing to say."""
    return current_app.response_class("", 204)
