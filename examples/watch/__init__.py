"""A page that shows a job: somebody sends a picture, watches its thumbnail being made, and sees it.

flask --app examples.watch run          the page, http://127.0.0.1:5000/
celery -A examples worker -c 2          the worker
"""

import uuid
from pathlib import Path

from flask import Blueprint, Flask, current_app, render_template, request, send_from_directory
from flask.typing import ResponseReturnValue
from PIL import Image

import examples
from examples.images import make_thumbnails

page = Blueprint("page", __name__, template_folder="templates")


def create_app(**overrides: object) -> Flask:
    """Make the examples' app with this page."""
    app = examples.create_app(**overrides)
    app.register_blueprint(page)
    return app


@page.get("/")
def start() -> str:
    """Ask for a picture."""
    return render_template("watch.html")


@page.post("/")
def take() -> ResponseReturnValue:
    """Keep the picture, submit the job, show how far it is."""
    sent = request.files["picture"]
    try:
        with Image.open(sent.stream) as picture:  # whatever name and type were sent with it
            picture.verify()
    except (OSError, SyntaxError):
        return render_template("watch.html", wrong="This is no picture."), 415
    name, folder = uuid.uuid4().hex, Path(current_app.config["IMAGES"])
    folder.mkdir(parents=True, exist_ok=True)
    sent.stream.seek(0)
    sent.save(folder / name)
    job = make_thumbnails.delay(image=name, sizes=(64, 128, 256))
    # whoever gets this page may watch the job and cancel it, without a token of their own
    link = current_app.extensions["celeriac"].link(job.id, cancel=True)
    return render_template("watch.html", link=link, thumbnail=f"{name}-256.webp")


@page.get("/thumbnails/<name>")
def thumbnail(name: str) -> ResponseReturnValue:
    """Show a thumbnail."""
    return send_from_directory(Path(current_app.config["IMAGES"]).resolve(), name)
