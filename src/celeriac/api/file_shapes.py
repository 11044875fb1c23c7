"""The shapes of what is told of files: sent ones, and those at a job. Pure."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class FileArgument(BaseModel):
    """What stands for a file among a job's arguments."""

    file: str


class ResultFile(BaseModel):
    """A result that is fetched by itself: a file, or JSON that is too large to be inside the job. `size` in bytes."""

    name: str
    media_type: str
    size: int


class SentFile(BaseModel):
    """A file that was sent. `argument` is what names it among a job's arguments."""

    id: str
    name: str
    media_type: str
    size: int = Field(description="Bytes.")
    expires_at: datetime = Field(description="When it is removed, unless a job takes it before.")
    argument: FileArgument
    links: dict[str, str]
