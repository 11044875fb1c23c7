"""One valid OpenAPI 3.1 document, from the definitions that validate."""

import enum
import json

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from celeriac.errors import CeleriacError, Conflict, InvalidArguments, Unauthorized, UnknownJob
from celeriac.registry import Registry
from celeriac.registry.openapi import Answer, Parameter, Route, document
from celeriac.registry.problem import Problem, problem_of


class Colour(enum.Enum):
    RED = "red"


class Pen(BaseModel):
    colour: Colour = Colour.RED


class Job(BaseModel):
    id: str
    done: bool = False


class Whole(BaseModel):
    task: str
    delay: float = 0


ROUTES = [
    Route(
        "/api/tasks/{task}",
        "POST",
        "Submit a job.",
        (
            Answer(202, "Accepted.", Job, headers=("Location", "Retry-After")),
            Answer(200, "Done already.", Job),
        ),
        (InvalidArguments, Unauthorized),
        scope="submit",
        request=BaseModel,
        per_task=True,
        tag="tasks",
        parameters=(Parameter("Prefer", "header", "wait=N"),),
    ),
    Route(
        "/api/tasks/{task}",
        "GET",
        "Its schema.",
        (Answer(200, "The schema.", media="application/schema+json"),),
        per_task=True,
    ),
    Route(
        "/api/jobs",
        "POST",
        "Submit a job, with all one can say.",
        (Answer(202, "Accepted.", Job),),
        (InvalidArguments,),
        scope="submit",
        request=Whole,
    ),
    Route(
        "/api/jobs/{id}",
        "GET",
        "Read a job.",
        (Answer(200, "The job.", Job, headers=("ETag",)),),
        (UnknownJob,),
        scope="read",
        by_link=True,
        parameters=(Parameter("id", "path", schema={"type": "string", "format": "uuid"}),),
    ),
    Route(
        "/api/jobs/{id}/cancel",
        "POST",
        "Cancel a job.",
        (Answer(202, "Asked to stop."),),
        (Conflict, UnknownJob),
        scope="submit",
    ),
    Route("/api/jobs:retry", "POST", "Retry many.", (Answer(204, "Done."),), scope="operate", deprecated=True),
    Route("/healthz", "GET", "Whether the process lives.", (Answer(200, "Yes."),)),
]


@pytest.fixture
def registry():
    registry = Registry()

    @registry.job
    def add(x: int, y: int = 2):
        """Add two numbers.

        Nothing more.
        """

    @registry.job(name="draw.line")
    def draw(pen: Pen, pens: list[Pen] | None = None, anything=None, endless: float = float("inf")): ...

    @registry.job
    def draw_line(pen: Pen): ...

    @registry.job
    def rest(): ...

    return registry


@pytest.fixture
def made(registry):
    return document("Jobs", "1.0", ROUTES, registry, "What can be asked for.")


def test_the_document_is_valid_and_is_json(made):
    OpenAPIV31SpecValidator(made).validate()
    json.dumps(made, allow_nan=False)


def test_a_document_without_tasks_is_valid(made):
    OpenAPIV31SpecValidator(document("Jobs", "1.0", ROUTES, Registry())).validate()


def test_each_task_has_its_own_path_with_its_own_model(made):
    assert "/api/tasks/{task}" not in made["paths"]
    post = made["paths"]["/api/tasks/add"]["post"]
    assert post["summary"] == "add: Add two numbers."
    reference = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = made["components"]["schemas"][reference.rpartition("/")[2]]
    assert list(schema["properties"]) == ["x", "y"]
    assert "requestBody" not in made["paths"]["/api/tasks/add"]["get"]
    assert {"/api/tasks/draw.line", "/api/tasks/draw_line"} <= made["paths"].keys()


def test_the_documents_schema_says_what_the_tasks_own_schema_says(made, registry):
    for name, spec in registry.items():
        post = made["paths"][f"/api/tasks/{name}"]["post"]
        schema = {
            **post["requestBody"]["content"]["application/json"]["schema"],
            "components": made["components"],
        }
        for arguments in ({}, {"x": 1}, {"x": "1"}, {"pen": {}}, {"pen": {"colour": "blue"}}):
            assert jsonschema.Draft202012Validator(schema).is_valid(arguments) == jsonschema.Draft202012Validator(
                spec.schema
            ).is_valid(arguments)


def test_operations_have_names_of_their_own(made):
    names = [operation["operationId"] for item in made["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_errors_are_problems_and_say_when(made):
    responses = made["paths"]["/api/jobs/{id}/cancel"]["post"]["responses"]
    assert list(responses) == ["202", "404", "409"]
    assert responses["404"]["description"] == "No job was ever submitted under this id."
    assert responses["404"]["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    assert "WWW-Authenticate" in made["paths"]["/api/tasks/add"]["post"]["responses"]["401"]["headers"]


def test_who_may_is_written_down(made):
    assert made["paths"]["/healthz"]["get"]["security"] == []
    assert {"link": []} in made["paths"]["/api/jobs/{id}"]["get"]["security"]
    assert {"token": ["submit"]} in made["paths"]["/api/jobs"]["post"]["security"]


def errors(kind: type[CeleriacError]) -> list[type[CeleriacError]]:
    return [kind] + [found for child in kind.__subclasses__() for found in errors(child)]


@pytest.mark.parametrize("kind", errors(CeleriacError))
def test_every_error_is_a_problem_with_its_own_kind(kind):
    problem = problem_of(kind("It went wrong.", hint="Try again."), instance="/x", request_id="r")
    Problem.model_validate(problem.model_dump())
    assert problem.type.startswith("urn:celeriac:problem:")
    assert (problem.status, problem.detail, problem.hint) == (kind.status, "It went wrong.", "Try again.")
    assert len({problem_of(one("x")).type for one in errors(CeleriacError)}) == len(errors(CeleriacError))


def test_a_problem_tells_each_wrong_field():
    problem = problem_of(InvalidArguments("No.", [{"pointer": "/x", "detail": "should be a number."}]))
    assert problem.model_dump()["errors"] == [{"pointer": "/x", "detail": "should be a number."}]
