"""Routes with `apply_async` and `AsyncResult`."""

from flask import Blueprint, jsonify, request

from .tasks import add, long_task

main = Blueprint("main", __name__)


@main.route("/")
def index():
    return "here"


@main.route("/add", methods=["POST"])
def start_add():
    data = request.get_json()
    task = add.apply_async(args=[data["x"], data["y"]])
    return jsonify({"task_id": task.id, "status": "Task submitted!"}), 202


@main.route("/longtask", methods=["GET"])
def start_long_task():
    task = long_task.apply_async()
    return jsonify({"task_id": task.id, "status": "Long task submitted!"}), 202


@main.route("/status/<task_id>", methods=["GET"])
def task_status(task_id):
    task = long_task.AsyncResult(task_id)
    if task.state == "PENDING":
        answer = {"state": task.state, "status": "Pending..."}
    elif task.state == "SUCCESS":
        answer = {"state": task.state, "result": task.result}
    else:
        answer = {"state": task.state, "status": str(task.info)}
    return jsonify(answer)
