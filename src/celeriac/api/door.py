"""Who calls, and under which id the request is known. Speaks Flask.

1. A token (`Authorization: Bearer`), a job's signed link (`?key=`), the console's cookie, or, in local development,
   being at this machine. What is shown must be right: a wrong token is refused even where none was needed.
2. Where a browser proves who calls without being asked, other sites' pages are turned away.
3. Every job that the request submits is the caller's, and carries the request's id.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from flask import current_app, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from celeriac.api.parts import Parts, parts
from celeriac.auth import link, origin, refusals
from celeriac.auth.caller import LOCAL, Caller, Scope, Way
from celeriac.errors import Unauthorized
from celeriac.worker import behalf

P = ParamSpec("P")
R = TypeVar("R")

COOKIE = "celeriac_session"
SESSION_SECONDS = 12 * 3600
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@/+=-]{1,100}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Visit:
    """One request: its id, its place in a trace ('' outside one), and who calls once they were let in."""

    request_id: str
    traceparent: str
    caller: Caller | None = None


def visit() -> Visit:
    """Return what is known of this request."""
    found: Visit | None = g.get("celeriac_visit")
    if found is None:
        sent = request.environ
        given, trace = sent.get("HTTP_X_REQUEST_ID", ""), sent.get("HTTP_TRACEPARENT", "")
        found = g.celeriac_visit = Visit(
            given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex(),
            trace if trace and _TRACEPARENT.fullmatch(trace) else "",
        )
    return found


def caller() -> Caller:
    """Return who calls; only behind a door."""
    found = visit().caller
    if found is None:
        raise Unauthorized("This needs to know who you are.", "Send a token: `Authorization: Bearer clr_…`.")
    return found


def admit(scope: Scope, *, job_id: str = "", changes: bool = False) -> Caller:
    """Let in who calls, or raise Unauthorized or Forbidden.

    `job_id` names the job whose signed link would open this route; `changes` marks a GET that is not safe.
    """
    found = _identify(parts(), job_id)
    if found.way is not Way.TOKEN:
        check_origin("POST" if changes else request.method)
    found.require(scope)
    seen = visit()
    seen.caller = found
    given = {"celeriac_owner": found.owner, "celeriac_request": seen.request_id, "traceparent": seen.traceparent}
    behalf.act_for({name: value for name, value in given.items() if value}, lambda owner: found.sees("", owner))
    return found


def needs(scope: Scope | str, *, changes: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only those call a view of your own who may `scope`: "submit", "read", "operate" or "admin".

    Jobs that the view submits are its caller's. `changes=True` marks a GET that is not safe.
    """
    wanted = Scope(scope)

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            admit(wanted, changes=changes)
            return view(*args, **kwargs)

        return guarded

    return guard


def is_here() -> bool:
    """Whether the request was sent on this machine to this machine, by all that can be seen."""
    direct = parts().settings.proxies or not any(header in request.headers for header in FORWARDED)
    return bool(direct) and origin.is_loopback(request.remote_addr) and origin.is_loopback(request.host)


def check_origin(method: str) -> None:
    """Raise Forbidden when another site's page sends this."""
    trusted = parts().settings.origins.split()
    origin.check(method, dict(request.headers), request.host_url, trusted)


def secrets() -> list[bytes]:
    """Return what links and cookies are signed with: SECRET_KEY, then those it replaced; none that could be guessed."""
    older = current_app.config.get("SECRET_KEY_FALLBACKS") or []
    given = [one.encode() if isinstance(one, str) else one for one in (current_app.secret_key, *older) if one]
    return given if parts().settings.local else [secret for secret in given if refusals.is_fit(secret)]


def signer() -> URLSafeTimedSerializer | None:
    """Return what signs the console's cookie; None without a SECRET_KEY."""
    keys = secrets()
    return URLSafeTimedSerializer(keys[::-1], salt="celeriac: the console's session") if keys else None


def _identify(found: Parts, job_id: str) -> Caller:
    if header := request.environ.get("HTTP_AUTHORIZATION"):
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("Only bearer tokens are taken here.", "Send `Authorization: Bearer clr_…`.")
        return found.tokens.caller(token.strip())
    if job_id and (key := request.args.get("key")):
        return link.read(secrets(), job_id, key, datetime.now(UTC))
    if token_id := _signed_in():
        return found.tokens.caller_of_session(token_id)
    if found.settings.local and is_here():
        return LOCAL
    hint = "Make one: `flask jobs token create`, and send `Authorization: Bearer clr_…`."
    if found.settings.local:
        hint = "Local development is open to this machine alone. " + hint
    raise Unauthorized("This needs a token.", hint)


def _signed_in() -> str:
    """Return the id of the token by which this browser signed in, '' when it did not."""
    cookie, signs = request.cookies.get(COOKIE), signer()
    if not cookie or signs is None:
        return ""
    try:
        token_id = signs.loads(cookie, max_age=SESSION_SECONDS)
    except BadSignature:  # also an old one; whoever shows it is simply not signed in
        return ""
    return token_id if isinstance(token_id, str) else ""
