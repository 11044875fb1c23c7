"""An app written as the article writes it, without our library: two Flask apps, two Celery apps and all."""

import os

from celery import Celery
from flask import Flask


def make_celery(app):
    made = Celery(app.import_name, backend=app.config["RESULT_BACKEND"], broker=app.config["BROKER_URL"])
    made.conf.update(app.config)
    return made


def create_app():
    app = Flask(__name__)
    app.config["BROKER_URL"] = os.environ["BROKER_URL"]
    app.config["RESULT_BACKEND"] = os.environ["BROKER_URL"]
    make_celery(app)

    from .views import main as main_blueprint

    app.register_blueprint(main_blueprint)
    return app


celery = make_celery(create_app())
