"""What is answered: JSON, with what HTTP says about it. Speaks Flask."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, request
from werkzeug.datastructures import Headers

from celeriac.registry.value import written

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # a signed link is in the address
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HSTS = "max-age=31536000"


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `body` as JSON."""
    return respond(written(body), status, headers)


def respond(text: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer JSON text."""
    kind = _answers(current_app.response_class)  # type: ignore[arg-type]  # a class is hashable
    response = kind(text, status, content_type="application/json")
    if headers:
        response.headers[:0] = headers.items()  # Werkzeug would look through all for each
    return response


def tagged(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `body` with its version as `ETag`, or 304 when the caller has that version already."""
    text = written(body)
    version = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    response = respond(text, headers={"ETag": version, "Cache-Control": "private, no-cache", **(headers or {})})
    if "If-None-Match" in request.headers:
        response.make_conditional(request)
    return response


def nothing() -> Response:
    """Answer that it is done and there is nothing to say."""
    return current_app.response_class("", 204)


@functools.cache
def _answers(kind: type[Response]) -> type[Response]:
    """Return the app's own class of responses, whose headers are sent as they are where there is nothing to mend."""

    def get_wsgi_headers(self: Response, environ: Any) -> Headers:
        if self.status_code in (304, 204) or self.status_code < 200:
            return kind.get_wsgi_headers(self, environ)
        return self.headers  # addresses are ASCII and the length is known

    return type("Answer", (kind,), {"get_wsgi_headers": get_wsgi_headers})
