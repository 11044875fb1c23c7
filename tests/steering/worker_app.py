"""The app of steered.py as a Celery worker finds it: `celery -A tests.steering.worker_app worker`."""

from __future__ import annotations

import os

from tests.steering.steered import make_app

flask_app = make_app(os.environ["BROKER_URL"])  # not `app`: `celery -A` would take that for the Celery app
celery = flask_app.extensions["celery"]
