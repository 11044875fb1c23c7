"""One OpenAPI 3.1 document from the routes' table and the tasks' own models. Pure: speaks to pydantic only.

1. The API describes each of its routes by a `Route`; what may go wrong is named by the error classes
themselves. 2. `document` writes a route once, or once per task where it says so, with the very model that
validates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel

from celeriac.errors import CeleriacError
from celeriac.registry.problem import MEDIA_TYPE, Problem
from celeriac.registry.schema import DIALECT, Mode, component_schemas
from celeriac.registry.spec import TaskSpec
from celeriac.registry.value import JSON

VERSION = "3.1.0"
_STRING: dict[str, JSON] = {"type": "string"}
EVENT_STREAM = "text/event-stream"
#: One event of a stream, as its reader takes it apart.
_EVENT: dict[str, JSON] = {
    "type": "object",
    "properties": {"id": _STRING, "event": _STRING, "data": _STRING, "retry": {"type": "integer"}},
}
ANY_MEDIA = "*/*"  # JSON or the bytes of any file
_BODIES: dict[str, dict[str, JSON]] = {EVENT_STREAM: _EVENT, ANY_MEDIA: {}}
#: Every header that a route may name, in one sentence.
HEADERS = {
    "Accept-Ranges": "`bytes`: parts can be asked for (`Range`).",
    "Allow": "The methods that this path has.",
    "Content-Disposition": "The file's name, and whether a browser may show it by itself.",
    "Content-Range": "Which part of the file this is.",
    "Deprecation": "Since when this route is deprecated (RFC 9745).",
    "ETag": "The version of what was sent, for `If-None-Match`.",
    "Link": "Related addresses (RFC 8288).",
    "Location": "Where it is.",
    "Preference-Applied": "The preference that was honoured (RFC 7240).",
    "Retry-After": "Seconds to wait before asking again.",
    "WWW-Authenticate": "How to prove who you are (RFC 6750).",
}
#: What comes with a status whoever sends it.
_WITH_STATUS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
#: How a caller may prove who they are; each name is a security scheme of the document.
SECURITY: dict[str, JSON] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token: `flask jobs token create`."},
    "session": {"type": "apiKey", "in": "cookie", "name": "celeriac_session", "description": "The console's cookie."},
    "link": {"type": "apiKey", "in": "query", "name": "key", "description": "A job's own signed link."},
}

Reference = Callable[[type[BaseModel], Mode], dict[str, JSON]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a route takes outside the body."""

    name: str
    where: Literal["path", "query", "header"]
    description: str = ""
    schema: Mapping[str, JSON] = field(default_factory=lambda: _STRING)
    required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One good answer: `model` is the shape of its JSON, `media` its type when it is something else."""

    status: int
    description: str
    model: type[BaseModel] | None = None
    media: str = ""
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `scope` is what the caller's token needs, nothing for a public route.

    A body may be left out unless `body_required`. `per_task` writes the route once for every task, in place of
    `{task}`; a route of that kind that takes a body (`request`) takes the arguments of the task. `sent` is for a body
    that is no JSON: its schema by media type.
    """

    path: str
    method: str
    summary: str
    answers: tuple[Answer, ...]
    errors: tuple[type[CeleriacError], ...] = ()
    scope: str = ""
    by_link: bool = False
    request: type[BaseModel] | None = None
    sent: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    description: str = ""
    tag: str = ""
    deprecated: bool = False
    per_task: bool = False


def document(
    title: str, version: str, routes: Iterable[Route], specs: Mapping[str, TaskSpec], description: str = ""
) -> dict[str, JSON]:
    """Return the OpenAPI document of `routes` over the tasks in `specs`."""
    written = [one for route in routes for one in _for_each_task(route, specs)]
    refer, components = _schemas(written)
    paths: dict[str, JSON] = {}
    for route in written:
        item = paths.setdefault(route.path, {})
        assert isinstance(item, dict)
        item[route.method.lower()] = _operation(route, refer)
    return {
        "openapi": VERSION,
        "jsonSchemaDialect": DIALECT,
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY},
    }


def _for_each_task(route: Route, specs: Mapping[str, TaskSpec]) -> list[Route]:
    if not route.per_task:
        return [route]
    return [
        replace(
            route,
            path=route.path.replace("{task}", spec.name),
            summary=f"{spec.name}: {spec.summary}" if spec.summary else f"{spec.name}: {route.summary}",
            description="\n\n".join(text for text in (route.summary, spec.description) if text),
            request=spec.model if route.request else None,
        )
        for spec in specs.values()
    ]


def _schemas(routes: Sequence[Route]) -> tuple[Reference, dict[str, JSON]]:
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(Problem, "serialization"): None}
    for route in routes:
        if route.request:
            wanted[route.request, "validation"] = None
        for answer in route.answers:
            if answer.model:
                wanted[answer.model, "serialization"] = None
    references, components = component_schemas(list(wanted))
    return lambda model, mode: references[model, mode], components


def _operation(route: Route, refer: Reference) -> dict[str, JSON]:
    made: dict[str, JSON] = {
        "operationId": re.sub(r"[^\w.-]+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "responses": _responses(route, refer),
        "security": _security(route),
    }
    if route.description:
        made["description"] = route.description
    if route.tag:
        made["tags"] = [route.tag]
    if route.deprecated:
        made["deprecated"] = True
    if parameters := _parameters(route):
        made["parameters"] = list(parameters)
    if route.request:
        schema = refer(route.request, "validation")
        made["requestBody"] = {"required": route.body_required, "content": {"application/json": {"schema": schema}}}
    elif route.sent:
        content: dict[str, JSON] = {media: {"schema": dict(schema)} for media, schema in route.sent.items()}
        made["requestBody"] = {"required": route.body_required, "content": content}
    return made


def _security(route: Route) -> JSON:
    if not route.scope:
        return []
    ways: list[JSON] = [{"token": [route.scope]}, {"session": []}]
    return [*ways, {"link": []}] if route.by_link else ways


def _parameters(route: Route) -> list[JSON]:
    named = {parameter.name for parameter in route.parameters if parameter.where == "path"}
    in_path = [name for name in re.findall(r"{(\w+)}", route.path) if name not in named]
    every = [*(Parameter(name, "path") for name in in_path), *route.parameters]
    made: list[JSON] = []
    for parameter in every:
        entry: dict[str, JSON] = {
            "name": parameter.name,
            "in": parameter.where,
            "required": parameter.required or parameter.where == "path",
            "schema": dict(parameter.schema),
        }
        if parameter.description:
            entry["description"] = parameter.description
        made.append(entry)
    return made


def _responses(route: Route, refer: Reference) -> dict[str, JSON]:
    made: dict[str, JSON] = {}
    for answer in sorted(route.answers, key=lambda answer: answer.status):
        response: dict[str, JSON] = {"description": answer.description}
        if answer.model:
            schema = refer(answer.model, "serialization")
            response["content"] = {answer.media or "application/json": {"schema": schema}}
        elif answer.media:
            schema = _BODIES.get(answer.media, _STRING)
            response["content"] = {answer.media: {"schema": dict(schema)}}
        if answer.headers:
            response["headers"] = {name: _header(name) for name in answer.headers}
        made[str(answer.status)] = response
    for status in sorted({error.status for error in route.errors}):
        words = dict.fromkeys(_sentence(error) for error in route.errors if error.status == status)
        response = {
            "description": " Or: ".join(words),
            "content": {MEDIA_TYPE: {"schema": refer(Problem, "serialization")}},
        }
        if name := _WITH_STATUS.get(status):
            response["headers"] = {name: _header(name)}
        made[str(status)] = response
    return made


def _sentence(error: type[CeleriacError]) -> str:
    return (error.__doc__ or error.title).partition("\n")[0]


def _header(name: str) -> JSON:
    return {"description": HEADERS[name], "schema": dict(_STRING)}
