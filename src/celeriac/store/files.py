"""Speaks to the disk: files that jobs take and return, each under a random id in the data folder.

1. Nobody else's word becomes part of a path: an id is 32 hexadecimal digits, names are only remembered.
2. A file appears whole or not at all; its description stands beside it, with the jobs it belongs to.
3. `sweep` removes what no job needs any more; a lock keeps it from what a job takes at that moment.
4. Some of the disk stays free: what the queue writes comes first. Redis never sees the bytes.

Web and worker processes must share the folder: one machine, or a shared disk.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from celeriac.errors import StorageFull, TooLarge, UnknownFile
from celeriac.registry.file import ID

CHUNK = 1 << 20
FOLDER = "files"
NAME_LIMIT = 200
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(; ?charset=[\w.-]{1,40})?", re.ASCII)
ANY = "application/octet-stream"
HALF_MADE = 3600.0  # seconds after which a file that was never finished is removed
RESERVE = 128 << 20  # bytes that stay free on the disk, or 5 % of it where that is less


@dataclass(frozen=True, slots=True)
class Kept:
    """A file's description; `size` in bytes, `jobs` are the ids of those that take or have returned it."""

    id: str
    name: str
    media_type: str
    size: int
    owner: str = ""
    jobs: tuple[str, ...] = field(default_factory=tuple)

    def reference(self) -> dict[str, str | int]:
        """Return what stands for the file in arguments and results."""
        return {"file": self.id, "name": self.name, "media_type": self.media_type, "size": self.size}


class Files:
    """The files of one app; `limit` is the most bytes of one, `reserve` what they leave free on the disk."""

    def __init__(self, data: str | Path, limit: int, reserve: int | None = None) -> None:
        self.folder, self.limit, self.reserve = Path(data).resolve() / FOLDER, limit, reserve

    def save(
        self, content: bytes | BinaryIO, name: str = "", media_type: str = "", owner: str = "", jobs: Iterable[str] = ()
    ) -> Kept:
        """Keep a file and return its description. Raises TooLarge, StorageFull; then nothing is kept."""
        id = secrets.token_hex(16)
        place = self._place(id)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = place.with_suffix(".part")
        try:
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                size = self._copy(io.BytesIO(content) if isinstance(content, bytes) else content, out)
            half.replace(place)
        except BaseException as error:
            half.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _full() from error
            raise
        kept = Kept(id, clean_name(name), clean_type(media_type), size, owner, tuple(jobs))
        self._describe(kept)
        return kept

    def find(self, id: str) -> Kept:
        """Return a file's description. Raises UnknownFile."""
        try:
            told = json.loads(self._place(id).with_suffix(".json").read_text(encoding="utf-8"))
            return Kept(**{**told, "jobs": tuple(told["jobs"])})
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise unknown(id) from error

    def open(self, id: str) -> BinaryIO:
        """Open a file for reading. Raises UnknownFile."""
        try:
            return self._place(id).open("rb")
        except OSError as error:
            raise unknown(id) from error

    def path(self, id: str) -> Path:
        """Return where a file is, for programs that want a path. Raises UnknownFile."""
        self.find(id)
        return self._place(id)

    def belongs_to(self, id: str, job: str) -> None:
        """Keep a file as long as this job, too. Raises UnknownFile."""
        with self._alone():
            kept = self.find(id)
            if job not in kept.jobs:
                self._describe(replace(kept, jobs=(*kept.jobs, job)))

    def sweep(self, gone: Callable[[list[str]], set[str]], unused: float) -> int:
        """Remove files whose jobs are all gone, and those that no job took within `unused` seconds; return how many.

        `gone` says which of these jobs are not known any more.
        """
        removed = 0
        for kept, age in self._all():
            if age < unused or (kept.jobs and gone(list(kept.jobs)) != set(kept.jobs)):
                continue
            with suppress(UnknownFile):
                removed += self.discard(kept.id, kept.jobs)
        return removed

    def discard(self, id: str, jobs: tuple[str, ...] = ()) -> bool:
        """Remove a file that belongs to these jobs; False when another one took it meanwhile. Raises UnknownFile."""
        with self._alone():
            if self.find(id).jobs != jobs:
                return False
            self.remove(id)
        return True

    def remove(self, id: str) -> None:
        """Remove a file, if it is there."""
        place = self._place(id)
        for path in (place.with_suffix(".json"), place):
            path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else change descriptions meanwhile, in whichever process."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _all(self) -> Iterator[tuple[Kept, float]]:
        now = time.time()
        for path in self.folder.glob("*/*"):
            with suppress(OSError, UnknownFile):
                age = now - path.stat().st_mtime
                if path.suffix == ".json":
                    yield self.find(path.stem), age
                elif age > HALF_MADE and not path.with_suffix(".json").exists():
                    path.unlink()

    def _copy(self, source: BinaryIO, out: BinaryIO) -> int:
        size = 0
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > self.limit:
                raise TooLarge(f"The file has more than {self.limit} bytes.", "CELERIAC_FILE_LIMIT is the limit.")
            disk = shutil.disk_usage(self.folder)
            if disk.free - len(chunk) < (min(RESERVE, disk.total // 20) if self.reserve is None else self.reserve):
                raise _full()
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
        return size

    def _describe(self, kept: Kept) -> None:
        place = self._place(kept.id).with_suffix(".json")
        half = place.with_suffix(f".{secrets.token_hex(4)}")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            json.dump(asdict(kept), out)
        half.replace(place)

    def _place(self, id: str) -> Path:
        if not ID.fullmatch(id):
            raise UnknownFile(f"{id[:100]!r} is no id of a file.", "Take it from the answer to POST /api/files.")
        return self.folder / id[:2] / id


def unknown(id: str) -> UnknownFile:
    """Return the error for a file that is not kept, or not for who asks."""
    return UnknownFile(f"No file has the id {id[:100]!r}.", "It is kept as long as its job.")


def _full() -> StorageFull:
    return StorageFull("The disk has no room for this file.", "Make room in the data folder, or try again later.")


def clean_name(name: str) -> str:
    """Return the last part of a file's name, without control characters: for people, never for a path."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LIMIT]


def clean_type(media_type: str) -> str:
    """Return the media type, or that of any bytes where it is none."""
    return media_type if MEDIA_TYPE.fullmatch(media_type) else ANY
