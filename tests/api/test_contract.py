"""The OpenAPI document and the routes are one: what is told is what is answered."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from celeriac.api.document import ROUTES
from celeriac.job import Move
from tests.api.served import Hand, Person
from tests.api.test_door import routes
from tests.article.running import Program, eventually, free_port

#: Routes that the document does not tell of, each with its reason.
UNTOLD = {
    "/static/<path:filename>": "Flask's own: the files of the app",
    **dict.fromkeys(
        ("/console/", "/console/<path:rest>", "/console/static/<path:filename>"),
        "the console's pages, for browsers alone",
    ),
    "/own": "the app's own view, guarded by `needs`",
    "/api/docs/<name>": "the files of the documentation page, for browsers alone",
}


@pytest.fixture
def document(ann: Person) -> dict[str, Any]:
    """The document, as anybody who may read gets it."""
    found: dict[str, Any] = ann("GET", "/api/openapi.json").json
    return found


@pytest.fixture
def keeps() -> bool:
    return True


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_in_the_document_or_left_out_for_a_reason(app: Flask, document: dict[str, Any]) -> None:
    told = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
    }  # fmt: skip
    for method, rule in routes(app):
        if rule in UNTOLD:
            continue
        paths = (rule.replace("<task>", "sum_up"), rule)  # told once for each task, or for all of them
        named = {(method, path.replace("<", "{").replace(">", "}")) for path in paths}
        assert named & told, "tell of it, or say in UNTOLD why not"
    assert {rule for _, rule in routes(app)} >= set(UNTOLD)


def test_every_task_has_its_own_operation_with_its_own_schema(document: dict[str, Any], ann: Person) -> None:
    for task in ann("GET", "/api/tasks").json["items"]:
        operation = document["paths"][f"/api/tasks/{task['name']}"]["post"]
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert list(schema.get("properties", {})) == list(task["schema"].get("properties", {}))
        jsonschema.Draft202012Validator.check_schema(task["schema"])


def test_what_is_answered_has_the_shape_that_is_told(app: Flask, ann: Person, olga: Person, hand: Hand) -> None:
    first, second = ann.submit(), ann.submit()
    ann.submit()
    hand.listen("celery")
    hand.end(hand.start(), result=3)
    hand.end(hand.start(), Move.FAIL, error="no")
    hand.lose_for_good()
    jobs = [olga("GET", f"/api/jobs/{id}").json for id in (first, second)]
    assert [job["state"] for job in jobs] == ["succeeded", "failed"]
    for route in app.extensions[ROUTES]:
        [answer] = [one for one in route.answers if one.status in (200, 201)][:1] or [None]
        if route.method != "GET" or answer is None or answer.model is None:
            continue
        path = route.path.replace("{task}", "sum_up").replace("{name}", "celery").replace("{id}", first)
        path = path.replace(f"/api/dead/{first}", f"/api/dead/{olga('GET', '/api/dead').json['items'][0]['id']}")
        got = olga("GET", path)
        assert got.status_code == 200, path
        answer.model.model_validate(got.json)
        schema = answer.model.model_json_schema(mode="serialization")
        extra = set(got.json) - set(schema["properties"]) if schema.get("properties") else set()
        assert not extra, f"{path} answers what the document does not tell of"


def test_metrics_say_how_queues_and_workers_stand(ann: Person, olga: Person, hand: Hand) -> None:
    ann.submit()
    ann.submit()
    hand.listen("celery", "io")
    hand.end(hand.start(), result=1)

    answer = olga("GET", "/metrics")

    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["celeriac_queue_length", "celery"] == 1
    assert found["celeriac_queue_consumers", "celery"] == 1
    assert found["celeriac_workers",] == 1
    assert found["celeriac_jobs_ended_total", "succeeded"] == 1
    assert answer.content_type.startswith("text/plain")


def test_readiness_says_what_is_missing(me: Person, stranger: Person) -> None:
    answer = stranger("GET", "/readyz")

    assert answer.status_code == 200
    checks = {check["name"]: check for check in answer.json["checks"]}
    assert checks["broker"]["ok"]
    assert checks["workers"] == {"name": "workers", "ok": False, "detail": "Nobody is listening."}
    assert me("GET", "/healthz").text == "ok\n"


def test_the_documentation_page_holds_nothing_inline_and_calls_nobody(ann: Person) -> None:
    page = ann("GET", "/api/docs")

    assert "'unsafe" not in page.headers["Content-Security-Policy"]
    assert "http" not in page.text.replace("https://www.w3.org", "")
    assert "<style" not in page.text
    assert " style=" not in page.text
    for asset in ("docs.js", "swagger-ui.css", "swagger-ui-bundle.js", "favicon.png"):
        assert asset in page.text
        assert ann("GET", f"/api/docs/{asset}").status_code == 200
    for path in ("/api/docs/docs.html", "/api/docs/..%2fdocs.py", "/api/docs/LICENSE"):
        assert ann("GET", path).status_code == 404


@pytest.mark.slow
def test_a_browser_shows_every_task_under_that_policy(broker_url: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser, "This test needs Chromium (apt install chromium)."
    port = free_port()
    env = {"BROKER_URL": broker_url, "PORT": str(port)}
    program = Program(["python", "run.py"], tmp_path / "web.log", env)
    try:
        program.says("Running on")
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000",
            "--dump-dom", f"http://127.0.0.1:{port}/api/docs",
        ]  # fmt: skip
        shown = eventually(lambda: _shown(command), "the page in a browser")
    finally:
        program.stop()
    page, said = shown
    assert "/api/tasks/long_task" in page.replace("\u200b", "").replace("<wbr>", "")
    assert "Content Security Policy" not in said, said


def _shown(command: list[str]) -> tuple[str, str] | None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return (ran.stdout, ran.stderr) if "opblock" in ran.stdout else None
