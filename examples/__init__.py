"""A second app on the same library: mail, thumbnails and calls to another service, one file each."""

import os

from celery import Celery
from flask import Flask

from celeriac import Celeriac

DEFAULTS = {
    "MAIL_SERVER": "localhost",
    "MAIL_PORT": 25,
    "MAIL_SENDER": "shop@localhost",
    "IMAGES": "var/images",
    "PAYMENTS_URL": "http://127.0.0.1:8000/charges",
}
celery: Celery


def create_app(**overrides: object) -> Flask:
    """Make the app; each setting NAME is also read from the environment, as EXAMPLES_NAME."""
    app = Flask(__name__)
    app.config.from_mapping(DEFAULTS, SECRET_KEY=os.getenv("SECRET_KEY"))
    app.config.from_prefixed_env("EXAMPLES")
    app.config.update(overrides)
    Celeriac(app)
    globals()["celery"] = app.extensions["celery"]

    from . import images, mail, payments  # noqa: F401  # importing them registers their jobs

    return app


def __getattr__(name: str) -> Celery:
    """Make the Celery app for `celery -A examples worker`, only when no `create_app()` has made one."""
    if name != "celery":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made: Celery = create_app().extensions["celery"]
    return made
