"""This project as its users write it: a Flask app, the extension, two jobs; every default left as it is."""

import os
import time

from flask import Flask

from celeriac import Celeriac, job

flask = Flask("bench")
flask.config["BROKER_URL"] = os.environ["BENCH_URL"]
flask.config["SECRET_KEY"] = os.environ.get("SECRET_KEY")
Celeriac(flask)
app = flask.extensions["celery"]


@job
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@job
def nap(steps: int, seconds: float) -> int:
    """Wait some times."""
    for _ in range(steps):
        time.sleep(seconds)
    return steps
