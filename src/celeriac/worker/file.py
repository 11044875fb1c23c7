"""Speaks Flask for the folder of the current app: files that a job takes and returns.

    @job
    def shrink(picture: File, width: int = 800) -> File:
        image = Image.open(picture.open())
        …
        return File(path=smaller, media_type="image/webp")

Over HTTP the argument is a reference, `{"file": "<id>"}`, to what was sent by `POST /api/files` before. In messages,
records and results only the reference travels; the bytes are in the data folder as long as the job is kept.
"""

from __future__ import annotations

import io
import json
import mimetypes
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from flask import current_app

from celeriac.config import Settings
from celeriac.errors import ConfigError, InvalidArguments, UnknownFile
from celeriac.registry.file import MARK, file_schema
from celeriac.store.files import Files, Kept, unknown
from celeriac.worker import behalf

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from celeriac.registry import TaskSpec

#: The ids of the files among the arguments that are read here, where somebody collects them.
_among: ContextVar[list[str] | None] = ContextVar("among", default=None)


class File:
    """A file that a job takes or returns: bytes, or what is at a path, with a media type and a name.

    `id`, `size` are known once it is kept: of an argument at once, of a result when the job has returned it.
    """

    def __init__(
        self, data: bytes | None = None, *, path: str | Path | None = None, name: str = "", media_type: str = ""
    ) -> None:
        if (data is None) == (path is None):
            raise ConfigError("A File is made of bytes or of a path.", 'File(b"…"), or File(path="report.pdf").')
        self._data, self._path = data, None if path is None else Path(path)
        self.name = name or (self._path.name if self._path else "")
        self.media_type = media_type or mimetypes.guess_type(self.name)[0] or ""
        self.id = ""
        self.size = len(data) if data is not None else 0

    @classmethod
    def kept(cls, id: str) -> File:
        """Return a file that is kept already; nothing is read before it is asked for."""
        file = cls(b"")
        file._data, file.id = None, id
        return file

    def open(self) -> BinaryIO:
        """Open it for reading. Raises UnknownFile."""
        if self.id:
            return files().open(self.id)
        return io.BytesIO(self._data) if self._data is not None else Path(str(self._path)).open("rb")

    def read(self) -> bytes:
        """Return all its bytes. Raises UnknownFile."""
        with self.open() as stream:
            return stream.read()

    @property
    def path(self) -> Path:
        """Where it is, for programs that want a path; it must not be changed. Raises UnknownFile."""
        return files().path(self.keep().id)

    def keep(self, where: Files | None = None, owner: str = "", job: str = "") -> Kept:
        """Keep it in the data folder, once; return its description. Raises TooLarge, UnknownFile."""
        where = where or files()
        if self.id:
            kept = where.find(self.id)
        else:
            with self.open() as stream:
                kept = where.save(stream, self.name, self.media_type, owner, [job] if job else ())
        self.id, self.name, self.media_type, self.size = kept.id, kept.name, kept.media_type, kept.size
        return kept

    def __json__(self) -> dict[str, str | int]:
        """Return the reference that travels in a message (kombu's JSON asks for it)."""
        return self.keep().reference()

    def __repr__(self) -> str:
        return f"File({self.id or self.name!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return file_schema(handler, cls._found, cls.__json__)

    @classmethod
    def _found(cls, id: str) -> File:
        """Return the argument that a reference stands for; where there is no app to look in, only its id is known.

        For who asks by HTTP, another owner's file does not exist.
        """
        file, collected = cls.kept(id), _among.get()
        if collected is not None:
            collected.append(id)
        elif current_app:
            try:
                kept = file.keep()
                if not behalf.sees(kept.owner):
                    raise unknown(id)
            except UnknownFile as error:
                raise ValueError(error.message) from error  # a fault of this argument, told at its place
        return file


def files() -> Files:
    """Return the files of the current app."""
    return files_of(current_app.extensions["celery"].settings)


def files_of(settings: Settings) -> Files:
    """Return the files of an app with these settings."""
    return Files(settings.data, settings.file_limit)


def holds_files(value: Any) -> bool:
    """Is there a File in a job's result?"""
    if isinstance(value, dict):
        return any(map(holds_files, value.values()))
    if isinstance(value, list | tuple):
        return any(map(holds_files, value))
    return isinstance(value, File)


def told(value: Any, where: Files, owner: str, job: str) -> Any:
    """Return a job's result or arguments with a reference in the place of every File, each kept as long as the job."""
    if isinstance(value, File):
        kept = value.keep(where, owner, job)
        where.belongs_to(kept.id, job)
        return kept.reference()
    if isinstance(value, dict):
        return {name: told(inner, where, owner, job) for name, inner in value.items()}
    if isinstance(value, list | tuple) and any(isinstance(inner, File | list | tuple | dict) for inner in value):
        return [told(inner, where, owner, job) for inner in value]
    return value


def takes_files(task: Any) -> bool:
    """Does one of the job's parameters take files?"""
    if getattr(task, "spec", None) is None:
        return False
    known: bool | None = task.__dict__.get("celeriac_takes_files")
    if known is None:
        known = task.celeriac_takes_files = MARK in json.dumps(task.spec.schema)
    return known


def taken(spec: TaskSpec, arguments: tuple[Any, Any], where: Files, owner: str, job: str) -> tuple[Any, Any]:
    """Return args and kwargs as they travel; the files among them are kept as long as the job. Raises UnknownFile."""
    args, kwargs = told(arguments, where, owner, job)
    for id in _files_among(spec, args, kwargs):
        where.belongs_to(id, job)
    return args, kwargs


def _files_among(spec: TaskSpec, args: Any, kwargs: Any) -> list[str]:
    """Return the ids of what the task takes as files; nothing where the arguments do not fit: it will not run."""
    ids: list[str] = []
    reset = _among.set(ids)
    try:
        spec.load(kwargs or {}, args or ())
    except InvalidArguments:
        ids.clear()
    finally:
        _among.reset(reset)
    return ids
