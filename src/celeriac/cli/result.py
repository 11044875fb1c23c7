"""The command that fetches what a job returned."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

import click
from flask import current_app

from celeriac import history
from celeriac.actions import past
from celeriac.cli.group import context, jobs, json_option, say
from celeriac.errors import BadRequest, ExpiredFile, UnknownFile
from celeriac.registry.file import is_file
from celeriac.store.files import Kept
from celeriac.worker.file import files

JSON_TYPE = "application/json"


@jobs.command("result")
@click.argument("id")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@json_option
def fetch(id: str, output: Path | None, as_json: bool) -> None:
    """Print what a job returned: JSON, or the bytes of a file. With --json and --output: what was written."""
    app = context()
    job, _ = past.find(app, history.of(current_app), id)
    result = past.result_of(job)
    if not is_file(result):
        text = json.dumps(result, ensure_ascii=False).encode() + b"\n"
        return _hand_over(io.BytesIO(text), Kept("", "", JSON_TYPE, len(text)), output, as_json)
    try:
        kept = files().find(result["file"])
        if id not in kept.jobs:  # any job can return the id of another's file
            raise UnknownFile(kept.id)
        stream = files().open(kept.id)
    except UnknownFile:
        raise ExpiredFile("The file of this job is kept no more.", "Retry the job, if that makes it again.") from None
    with stream:
        _hand_over(stream, kept, output, as_json)


def _hand_over(stream: BinaryIO, kept: Kept, output: Path | None, as_json: bool) -> None:
    """Copy it to its place: a file, or standard output, unless that is a terminal and would show bytes."""
    if output is None:
        if sys.stdout.isatty() and kept.media_type != JSON_TYPE:
            raise BadRequest(f"The result is a file ({kept.media_type}, {kept.size} bytes).", "Add --output FILE.")
        return shutil.copyfileobj(stream, sys.stdout.buffer)
    try:
        with output.open("wb") as out:
            shutil.copyfileobj(stream, out)
    except OSError as error:
        raise BadRequest(f"{str(output)!r} cannot be written: {error.strerror}.") from error
    told = {"output": str(output), "name": kept.name, "media_type": kept.media_type, "size": kept.size}
    say(told, as_json, lambda: f"{output}: {kept.size} bytes, {kept.media_type}")
