"""The app's routes: they submit jobs and answer at once; workers do the work."""

from flask import Blueprint, Response, current_app, json, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, UnsupportedMediaType

from celeriac import cached, needs, replaced_by

from .tasks import add, long_task

main = Blueprint("main", __name__)


@main.post("/add")
@needs("submit")
def start_add() -> tuple[dict[str, object], int]:
    """Submit `add` with a JSON body: {"x": 1, "y": 2}."""
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.")
    task = add.apply_async(kwargs=add.arguments(request.get_data()))
    return {"task_id": task.id, "status": "Task submitted!"}, 202


@main.route("/longtask", methods=["GET", "POST"])
@replaced_by("/api/tasks/long_task")
@needs("submit", changes=True)
def start_long_task() -> tuple[dict[str, object], int]:
    """Submit `long_task`; `steps` and `seconds` by query, form or JSON."""
    by_get = request.method == "GET" and current_app.extensions["celeriac"].may_submit_by_get()
    if request.method != "POST" and not by_get:
        raise MethodNotAllowed(["POST"])
    given = request.get_data() if request.is_json else {**request.args, **request.form}
    task = long_task.apply_async(kwargs=long_task.arguments(given))
    return {"task_id": task.id, "status": "Long task submitted!"}, 202


@main.get("/status/<task_id>")
@replaced_by("/api/jobs/{task_id}")
@needs("read")
def task_status(task_id: str) -> dict[str, object]:
    """Say how far a job is; an id that was never submitted is 404."""
    current_app.extensions["celeriac"].require(task_id)
    meta = long_task.AsyncResult(task_id).backend.get_task_meta(task_id)  # state and info of one moment
    state, info = meta["status"], meta["result"]
    if state == "PENDING":
        return {"state": state, "status": "Pending..."}
    if state == "SUCCESS":
        return {"state": state, "result": info}
    return {"state": state, "status": current_app.extensions["celeriac"].words(info)}


@main.get("/primes/<int:below>")
def primes(below: int) -> dict[str, object]:
    """Count the prime numbers; Redis remembers the answer for a minute."""
    return {"below": below, "primes": count_primes(min(below, 1_000_000))}


@cached(60)
def count_primes(below: int) -> int:
    """Count the primes by a sieve: slow enough to be worth remembering."""
    sieve = bytearray([1]) * max(below, 2)
    for n in range(2, int(len(sieve) ** 0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, len(sieve), n)))
    return sum(sieve[2:])


@main.app_errorhandler(HTTPException)
def problem(error: HTTPException) -> Response:
    """Answer every HTTP error as problem+json."""
    body = {"title": error.name, "status": error.code, "detail": error.description}
    response = Response(json.dumps(body), error.code, content_type="application/problem+json")
    response.headers.extend({k: v for k, v in error.get_headers() if k.lower() != "content-type"})
    return response
