"""The console's session: sign in with a token, see who is signed in, sign out. Speaks Flask."""

from __future__ import annotations

from flask import Response, request

from celeriac.api import shapes
from celeriac.api.answers import answer, nothing
from celeriac.api.bodies import fit, json_object
from celeriac.api.contract import OF_A_BODY, Table
from celeriac.api.door import COOKIE, SESSION_SECONDS, caller, check_origin, signer
from celeriac.api.parts import parts
from celeriac.auth.caller import Caller, Scope
from celeriac.errors import BrokerUnavailable, Conflict, Forbidden, Unauthorized
from celeriac.registry.openapi import Answer, Route

table = Table("session")


@table.route(
    Route(
        "/api/session", "POST", "Sign in with a token; the answer sets a cookie", request=shapes.SignIn,
        answers=(Answer(201, "Who is signed in.", shapes.Session),),
        errors=(Unauthorized, Forbidden, Conflict, BrokerUnavailable, *OF_A_BODY),
    )
)  # fmt: skip
def sign_in() -> Response:
    """Set the cookie of whoever shows a token."""
    check_origin(request.method)
    given = fit(shapes.SignIn, json_object())
    found = parts().tokens.caller(given.token)
    signs = signer()
    if signs is None:
        raise Conflict("Without a SECRET_KEY nobody can sign in here.", "Set SECRET_KEY.")
    response = answer(_session(found), 201)
    cookie = signs.dumps(found.token_id)
    response.set_cookie(COOKIE, cookie, SESSION_SECONDS, secure=_secure(), httponly=True, samesite="Lax")
    return response


@table.route(
    Route(
        "/api/session", "GET", "Say who calls", scope=Scope.READ,
        answers=(Answer(200, "Who calls, and what they may.", shapes.Session),),
    )
)  # fmt: skip
def show() -> Response:
    """Answer who calls."""
    return answer(_session(caller()))


@table.route(
    Route(
        "/api/session", "DELETE", "Sign out", scope=Scope.READ,
        answers=(Answer(204, "The cookie is taken back; the token stays good."),),
    )
)  # fmt: skip
def sign_out() -> Response:
    """Take the cookie back."""
    response = nothing()
    response.delete_cookie(COOKIE, secure=_secure(), httponly=True, samesite="Lax")
    return response


def _session(who: Caller) -> dict[str, object]:
    scopes = [scope.value for scope in Scope if who.may(scope)]
    return {"owner": who.owner, "way": who.way.value, "scopes": scopes}


def _secure() -> bool:
    """Whether the cookie travels by HTTPS alone: everywhere but in local development."""
    return request.is_secure or not parts().settings.local
