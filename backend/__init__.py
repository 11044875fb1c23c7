"""The app that you edit: `create_app()` makes it, `tasks.py` has its jobs, `views.py` its routes."""

from celery import Celery
from flask import Flask

from celeriac import Celeriac

celery: Celery


def create_app(**overrides: object) -> Flask:
    """Make the Flask app with its Celery app; `overrides` are settings, as in config.py."""
    app = Flask(__name__)
    app.config.from_pyfile("../config.py")
    app.config.update(overrides)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers keep the order they are written in
    Celeriac().init_app(app)
    globals()["celery"] = app.extensions["celery"]  # what `celery -A backend` and `backend.celery` find

    from .views import main as main_blueprint

    app.register_blueprint(main_blueprint)
    return app


def __getattr__(name: str) -> Celery:
    """Make the Celery app for `celery -A backend worker`, only when no `create_app()` has made one."""
    if name != "celery":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made: Celery = create_app().extensions["celery"]
    return made
