"""The least that a queue over HTTP costs: one LPUSH to submit, one GET to look. No record, no check, no worker."""

import json
import os
import uuid

import redis
from flask import Flask, Response, request

app = Flask("plain")
app.secret_key = os.environ["SECRET_KEY"]  # as an app has one: Flask then opens a session for each request
client = redis.Redis.from_url(os.environ["BENCH_URL"])
client.set("done", json.dumps({"id": "done", "state": "succeeded", "result": 3}))


@app.post("/push")
def push():
    """Queue a job."""
    id, given = str(uuid.uuid4()), request.get_json()
    client.lpush("jobs", json.dumps({"id": id, "args": given}))
    return Response(json.dumps({"id": id}), 202, mimetype="application/json")


@app.get("/look/<id>")
def look(id):
    """Show a job."""
    return Response(client.get(id), mimetype="application/json")
