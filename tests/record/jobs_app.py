"""The app that the workers of these tests run: `celery -A tests.record.jobs_app`."""

from __future__ import annotations

from flask import Flask

import tests.record.endings
import tests.record.foreign
import tests.record.jobs  # noqa: F401
from celeriac import Celeriac

flask_app = Flask("record_app")
Celeriac(flask_app)  # not `app`: `celery -A` would take that for the Celery app
celery = flask_app.extensions["celery"]
