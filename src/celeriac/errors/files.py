"""What goes wrong with files of jobs."""

from __future__ import annotations

from celeriac.errors.base import CeleriacError


class UnknownFile(CeleriacError):
    """No file is kept under this id (any more)."""

    status = 404
    exit_code = 4
    title = "Unknown file"


class ExpiredFile(CeleriacError):
    """The job is known, but the file is kept no more."""

    status = 410
    exit_code = 4
    title = "Expired file"


class StorageFull(CeleriacError):
    """The disk has no room for the file; nothing was kept."""

    status = 507
    exit_code = 74  # EX_IOERR of sysexits.h
    title = "Storage full"
