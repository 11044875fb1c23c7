"""A route says who may, what comes in, what goes out and what may go wrong; its view does the one thing left.

Speaks Flask. A `Table` holds the routes of one noun; installing it puts every route behind its door.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, Response

from celeriac.api.door import admit
from celeriac.api.parts import parts
from celeriac.auth.caller import Caller, Scope, Way
from celeriac.auth.origin import SAFE_METHODS
from celeriac.errors import (
    BadRequest,
    BrokerUnavailable,
    CeleriacError,
    Forbidden,
    InvalidArguments,
    RateLimited,
    TooLarge,
    Unauthorized,
    WrongMediaType,
)
from celeriac.registry.openapi import Route

View = Callable[..., Response]
Errors = tuple[type[CeleriacError], ...]

OF_A_DOOR: Errors = (Unauthorized, Forbidden, BrokerUnavailable)
OF_A_BODY: Errors = (BadRequest, TooLarge, WrongMediaType, InvalidArguments)


@dataclass(slots=True)
class Table:
    """The routes of one noun."""

    tag: str
    entries: list[tuple[Route, View]] = field(default_factory=list)

    def route(self, route: Route) -> Callable[[View], View]:
        """Let the view answer this route; errors that its scope, method or body bring are added to it."""
        safe = route.method in SAFE_METHODS
        errors = route.errors
        errors += OF_A_DOOR if route.scope else ()
        errors += (RateLimited,) if route.scope and not safe else ()
        errors += OF_A_BODY if route.request else ()
        whole = replace(route, tag=self.tag, errors=tuple(dict.fromkeys(errors)))

        def take(view: View) -> View:
            self.entries.append((whole, view))
            return view

        return take

    def install(self, blueprint: Blueprint) -> None:
        """Give the blueprint every route of the table, behind its door."""
        for route, view in self.entries:
            rule = re.sub(r"{(\w+)}", r"<\1>", route.path)
            endpoint = f"{view.__module__.rpartition('.')[2]}_{view.__name__}"
            blueprint.add_url_rule(rule, endpoint, _behind_the_door(route, view), methods=[route.method])


def _behind_the_door(route: Route, view: View) -> View:
    if not route.scope:
        return view
    scope, safe = Scope(route.scope), route.method in SAFE_METHODS

    @functools.wraps(view)
    def guarded(**values: Any) -> Response:
        caller = admit(scope, job_id=values.get("id", "") if route.by_link else "")
        if not safe:
            _count(caller)
        return view(**values)

    return guarded


def _count(caller: Caller) -> None:
    """Raise RateLimited when the caller sends too many unsafe requests."""
    if caller.way is not Way.LOCAL:
        parts().rates.ask(caller.owner or f"link:{caller.job_id}")
