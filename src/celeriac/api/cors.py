"""Lets pages of trusted sites read answers and ask with a token (CORS). Without CELERIAC_ORIGINS there is none of it.

Cookies stay out: another site's page shows a token of its own. Speaks Flask.
"""

from __future__ import annotations

from flask import Response, request

from celeriac.api.parts import parts
from celeriac.auth.origin import same

ASKED = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, X-Request-ID, traceparent"
SHOWN = "ETag, Link, Location, Preference-Applied, Retry-After, X-Request-ID"
METHODS = "GET, POST, DELETE"
SECONDS = 600


def allow(response: Response) -> None:
    """Say to the browser that the page of a trusted site may see this answer, or send what it asks about."""
    trusted = parts().settings.origins.split()
    if not trusted:
        return
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if not any(same(origin, good) for good in trusted):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Expose-Headers"] = SHOWN
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = ASKED
        response.headers["Access-Control-Max-Age"] = str(SECONDS)
