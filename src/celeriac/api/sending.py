"""Sends a file so that no browser takes it for a page or a program of ours. Speaks Flask and Werkzeug.

Whoever may submit a job chooses the name, the type and the bytes, and they come from the origin of the console. So:

1. Only pictures, sound, film and plain text may be shown by a browser; all else, SVG and HTML too, is to be saved.
2. What a page of ours could run or apply (a script, a style sheet) is told as plain text.
3. `nosniff` stands on every answer, and a policy under which even a page that is opened can do nothing.
"""

from __future__ import annotations

import re

from flask import Response, send_file

from celeriac.registry.openapi import ANY_MEDIA, Answer, Parameter
from celeriac.registry.problem import MEDIA_TYPE, Problem
from celeriac.store.files import Files, Kept, unknown

SHOWN = re.compile(r"(image/(png|jpeg|gif|webp|avif|bmp)|text/plain|(audio|video)/[\w.+-]+)( *;.*)?", re.ASCII)
RUN = re.compile(r".*(script|/css)")
#: As for every answer, but a browser's own page around a picture or a film may show that, and is alone in the world.
POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
)
IF_NONE_MATCH = Parameter("If-None-Match", "header", "The `ETag` of the version that the caller has.")
RANGE = Parameter("Range", "header", "`bytes=0-1023`: a part of a file.")
HEADERS = ("ETag", "Content-Disposition", "Accept-Ranges")
ANSWERS = (
    Answer(206, "The part of it that `Range` asks for.", media=ANY_MEDIA, headers=(*HEADERS, "Content-Range")),
    Answer(304, "The version that `If-None-Match` names is the present one.", headers=("ETag",)),
    Answer(416, "It has no such part.", Problem, media=MEDIA_TYPE),
)


def sent(kept: Kept, where: Files) -> Response:
    """Answer a file's bytes, or the part or nothing that the caller asks for. Raises UnknownFile."""
    kind = kept.media_type.lower()
    try:
        response = send_file(
            where.path(kept.id), mimetype="text/plain" if RUN.match(kind) else kind, etag=kept.id,
            as_attachment=not SHOWN.fullmatch(kind), download_name=kept.name or kept.id, max_age=0, last_modified=None,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise unknown(kept.id) from error
    response.headers.pop("Last-Modified", None)
    response.headers.pop("Expires", None)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = POLICY
    return response
