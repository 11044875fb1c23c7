"""The console's page and its files, under a policy that runs nothing but them. Speaks Flask and Werkzeug."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from celeriac.config import Settings

NAME = "celeriac_console"
HERE = Path(__file__).parent
#: Everything from here, nothing inline; no text ever becomes markup, which `trusted-types` makes the browser's law.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Cache-Control": "no-cache",  # a new release is seen at once; what has not changed is answered 304
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # a signed link may be in the address
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def install(app: Flask, settings: Settings) -> None:
    """Give the app the console; `/` leads there when the app has no page of its own at `/`."""
    console = Blueprint(
        NAME, __name__, url_prefix="/console", static_folder=str(HERE / "static"), static_url_path="/static"
    )

    def page(rest: str = "") -> Response:
        if rest.startswith("static/"):
            raise NotFound("The console has no such file.")
        return Response(_filled(settings), mimetype="text/html")

    console.add_url_rule("/", "page", page)
    console.add_url_rule("/<path:rest>", "inner", page)
    console.after_request(_finish)
    app.register_blueprint(console)


def _filled(settings: Settings) -> str:
    text = (HERE / "static" / "console.html").read_text()
    flower = ""
    if settings.local and settings.flower:
        flower = f"{request.scheme}://{urlsplit(request.host_url).hostname}:{settings.flower_port}/"
    return text.replace("{{root}}", escape(request.script_root)).replace("{{flower}}", escape(flower))


def lead() -> AnyResponse | None:
    """Lead from `/` to the console, where nothing else answers."""
    if request.path == "/" and isinstance(request.routing_exception, NotFound) and request.method in ("GET", "HEAD"):
        return redirect(f"{request.script_root}/console/")
    return None


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response
