"""docs/http.md is what the routes tell of themselves; `python -m tests.api.test_reference` writes it anew."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from flask import Flask
from pydantic import BaseModel

from celeriac import Celeriac, errors
from celeriac.api.contract import OF_A_BODY, OF_A_DOOR
from celeriac.api.document import ROUTES
from celeriac.errors import CeleriacError, RateLimited
from celeriac.registry.openapi import Route
from celeriac.registry.problem import kind_of
from tests.article.running import ROOT

PAGE = ROOT / "docs" / "http.md"
MARK = "<!-- From here on the routes tell of themselves: `python -m tests.api.test_reference` writes it. -->\n"
COMMON = {*OF_A_DOOR, *OF_A_BODY, RateLimited}


def reference(routes: Sequence[Route]) -> str:
    """Return the generated part of the page."""
    lines: list[str] = [MARK]
    for tag in dict.fromkeys(route.tag for route in routes):
        lines += [f"## {tag.capitalize()}", ""]
        for route in (route for route in routes if route.tag == tag):
            lines += [*_told(route), ""]
    lines += ["## Problems", "", "| type | status | when |", "|---|---|---|", *_problems(routes), ""]
    return "\n".join(lines)


def _told(route: Route) -> Iterator[str]:
    yield f"### `{route.method} {route.path}`"
    yield ""
    who = f"Needs the scope `{route.scope}`" + (" or the job's signed link." if route.by_link else ".")
    words = [f"{route.summary}.", route.description, who if route.scope else "Open to everybody."]
    yield " ".join(word for word in words if word)
    yield ""
    for parameter in route.parameters:
        yield f"* `{parameter.name}` ({parameter.where}): {parameter.description}"
    for name, kind, words_ in _fields(route.request):
        yield f"* `{name}` (body, {kind}){': ' + words_ if words_ else ''}"
    for answer in route.answers:
        shape = f", a {answer.model.__name__}" if answer.model else f", {answer.media}" if answer.media else ""
        headers = f"; headers {', '.join(f'`{name}`' for name in answer.headers)}" if answer.headers else ""
        yield f"* **{answer.status}** {answer.description.rstrip('.')}{shape}{headers}"
    own = [error for error in route.errors if error not in COMMON]
    if own:
        yield "* " + ", ".join(f"**{error.status}** {error.title.lower()}" for error in own)


def _fields(model: type[BaseModel] | None) -> Iterator[tuple[str, str, str]]:
    if model is None:
        return
    if model is BaseModel:
        yield "…", "object", "The arguments by name, as the task's schema says."
        return
    for name, told in model.model_json_schema().get("properties", {}).items():
        kinds = [one.get("type", "") for one in told.get("anyOf", [told])]
        kind = " or ".join(dict.fromkeys(filter(None, kinds))) or "one of several"
        yield name, kind, told.get("description", "")


def _problems(routes: Sequence[Route]) -> list[str]:
    named: set[type[CeleriacError]] = {error for route in routes for error in route.errors}
    rows = []
    for error in sorted(named, key=lambda one: (one.status, one.__name__)):
        assert getattr(errors, error.__name__) is error
        rows.append(f"| `{kind_of(error)}` | {error.status} | {(error.__doc__ or '').partition(chr(10))[0]} |")
    return rows


def routes_of_a_bare_app() -> list[Route]:
    """Return the routes that every app has."""
    app = Flask("reference")
    Celeriac(app)
    routes: list[Route] = app.extensions[ROUTES]
    return routes


def page(routes: Sequence[Route]) -> str:
    """Return the whole page: what a person wrote, and what the routes tell."""
    return PAGE.read_text().partition(MARK)[0] + reference(routes)


def test_the_reference_tells_what_the_routes_are() -> None:
    assert PAGE.read_text() == page(routes_of_a_bare_app()), "Run `python -m tests.api.test_reference`."


def test_the_reference_tells_every_route_once() -> None:
    told = re.findall(r"^### `(\w+ \S+)`$", PAGE.read_text(), re.MULTILINE)

    assert sorted(told) == sorted(f"{route.method} {route.path}" for route in routes_of_a_bare_app())


if __name__ == "__main__":
    PAGE.write_text(page(routes_of_a_bare_app()))
    sys.stdout.write(f"Wrote {PAGE.relative_to(ROOT)}.\n")
