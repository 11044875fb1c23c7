"""Says on an old route's answers that it is deprecated, and what replaces it (RFC 9745). Speaks Flask."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar
from urllib.parse import quote

from flask import after_this_request, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

P = ParamSpec("P")
R = TypeVar("R", bound=ResponseReturnValue)

SINCE = datetime(2026, 11, 22, tzinfo=UTC)


def replaced_by(address: str, *, since: datetime = SINCE) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark the GETs of a view of your own as deprecated; `address` may name its values: `/api/jobs/{task_id}`."""

    def mark(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def marked(*args: P.args, **kwargs: P.kwargs) -> R:
            if request.method in ("GET", "HEAD"):
                values = {name: quote(str(value), safe="") for name, value in kwargs.items()}
                after_this_request(lambda response: _say(response, address.format(**values), since))
            return view(*args, **kwargs)

        return marked

    return mark


def _say(response: Response, address: str, since: datetime) -> Response:
    response.headers["Deprecation"] = f"@{int(since.timestamp())}"
    response.headers.add("Link", f'<{address}>; rel="successor-version"')
    return response
