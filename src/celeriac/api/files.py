"""Files: sent before the job that takes them, fetched and taken back by who sent them. Speaks Flask and Werkzeug.

The bytes go from the request to the disk piece by piece, under an id of ours. Names and types are remembered, never
believed.
"""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from celeriac.api.answers import answer, nothing
from celeriac.api.contract import Table
from celeriac.api.door import caller
from celeriac.api.file_shapes import SentFile
from celeriac.api.parts import parts
from celeriac.api.sending import ANSWERS, HEADERS, IF_NONE_MATCH, RANGE, sent
from celeriac.auth.caller import Scope
from celeriac.errors import BadRequest, Conflict, StorageFull, TooLarge, UnknownFile
from celeriac.registry.openapi import ANY_MEDIA, Answer, Parameter, Route
from celeriac.registry.value import JSON
from celeriac.store.files import ANY, Files, Kept, unknown
from celeriac.worker.file import files_of

table = Table("files")

PART = "file"
FORM, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
ROUND_ABOUT = 64 * 1024  # bytes that a form may have around the file
NAME = Parameter("name", "query", "The file's name, where the body is the file itself.", {"type": "string"})
BYTES: dict[str, JSON] = {"type": "string", "format": "binary"}


@table.route(
    Route(
        "/api/files", "POST", "Send a file that a job shall take", scope=Scope.SUBMIT, body_required=False,
        description="The body is the file, with its media type as `Content-Type`; or a form with one part `file`. "
        "More than `CELERIAC_FILE_LIMIT` bytes are refused. The job's argument is then what `argument` says.",
        parameters=(NAME,),
        sent={ANY: {}, FORM: {"type": "object", "properties": {PART: BYTES}, "required": [PART]}},
        answers=(Answer(201, "It is kept, for a day until a job takes it.", SentFile, headers=("Location",)),),
        errors=(BadRequest, TooLarge, StorageFull),
    )
)  # fmt: skip
def create() -> Response:
    """Keep what is sent."""
    where = _files()
    if (request.content_length or 0) > where.limit + (ROUND_ABOUT if request.mimetype == FORM else 0):
        raise _too_large(where)
    request.max_content_length = where.limit + ROUND_ABOUT
    try:
        stream, name, media_type = _part() if request.mimetype == FORM else _body()
        kept = where.save(stream, name, media_type, caller().owner)
    except RequestEntityTooLarge:
        raise _too_large(where) from None
    return answer(_shown(kept), 201, {"Location": _address(kept.id)})


@table.route(
    Route(
        "/api/files/{file}", "GET", "Fetch a file that one has sent", scope=Scope.READ,
        description="Files of jobs are at the job: `/api/jobs/{id}/result` and `/api/jobs/{id}/files/{file}`.",
        parameters=(IF_NONE_MATCH, RANGE),
        answers=(Answer(200, "The file.", media=ANY_MEDIA, headers=HEADERS), *ANSWERS), errors=(UnknownFile,),
    )
)  # fmt: skip
def show(file: str) -> Response:
    """Answer the file's bytes."""
    where = _files()
    return sent(_find(where, file), where)


@table.route(
    Route(
        "/api/files/{file}", "DELETE", "Take a file back that one has sent", scope=Scope.SUBMIT,
        description="Before a job took it: later it stays as long as its jobs.",
        answers=(Answer(204, "It is removed."),), errors=(UnknownFile, Conflict),
    )
)  # fmt: skip
def delete(file: str) -> Response:
    """Remove the file."""
    where = _files()
    _find(where, file)
    if not where.discard(file):
        raise Conflict(f"A job took the file {file}.", "It goes with the last of its jobs.")
    return nothing()


class _Whole:
    """A body that says when it ended too early: under Gunicorn, Werkzeug takes a hung up sender for the end."""

    def __init__(self, stream: IO[bytes], length: int | None) -> None:
        self.stream, self.missing = stream, length

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, b"" at the end. Raises BadRequest when it is not all that was announced."""
        try:
            part = self.stream.read(size)
        except OSError:  # Gunicorn's word for chunks that stop
            part, self.missing = b"", self.missing or 1
        if self.missing is not None:
            self.missing -= len(part)
        if not part and self.missing:
            raise BadRequest("The file did not arrive whole.", "Send it again.")
        return part


def _files() -> Files:
    return files_of(parts().settings)


def _find(where: Files, id: str) -> Kept:
    """Return a file that the caller may see. Raises UnknownFile."""
    kept = where.find(id)
    if not caller().sees("", kept.owner):
        raise unknown(id)
    return kept


def _part() -> tuple[Any, str, str]:
    """Return the one file of a form: its stream, name and media type. Raises BadRequest."""
    request.max_form_parts = 10
    found = request.files.getlist(PART)
    if len(found) != 1 or len(list(request.files.values())) != 1:
        raise BadRequest("The form does not hold one file.", f"Send one part with the name `{PART}`.")
    return found[0].stream, found[0].filename or "", _kind(found[0].mimetype, found[0].filename)


def _body() -> tuple[Any, str, str]:
    name = request.args.get("name", "")
    return _Whole(request.stream, request.content_length), name, _kind(request.headers.get("Content-Type", ""), name)


def _kind(told: str, name: str | None) -> str:
    """Return the media type that was told; where none was, or what `curl` sends for it, the one of such a name."""
    if told and not told.startswith((ANY, URLENCODED)):
        return told
    return mimetypes.guess_type(name or "")[0] or ANY


def _too_large(where: Files) -> TooLarge:
    return TooLarge(f"The file has more than {where.limit} bytes.", "CELERIAC_FILE_LIMIT is the limit.")


def _address(id: str) -> str:
    return f"/api/files/{id}"


def _shown(kept: Kept) -> dict[str, Any]:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=parts().settings.retention)
    return {
        "id": kept.id,
        "name": kept.name,
        "media_type": kept.media_type,
        "size": kept.size,
        "expires_at": ends.isoformat(),
        "argument": {"file": kept.id},
        "links": {"self": _address(kept.id)},
    }
