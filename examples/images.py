"""Thumbnails: work for the processor, so it runs in the lane of processes. Doing it twice changes nothing."""

from pathlib import Path
from typing import Annotated

from flask import current_app
from PIL import Image, ImageOps
from pydantic import Field
from werkzeug.security import safe_join

from celeriac import current_job, job, track

Size = Annotated[int, Field(ge=16, le=2048)]


@job
def make_thumbnails(
    image: str, sizes: Annotated[tuple[Size, ...], Field(min_length=1, max_length=10)] = (128, 512)
) -> list[str]:
    """Make thumbnails of a picture in the folder IMAGES, no wider and no higher than each size; return their names."""
    path = safe_join(current_app.config["IMAGES"], image)
    if path is None:
        raise ValueError(f"{image!r} is not inside the folder of images.")
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    return [_thumbnail(picture, Path(path), size) for size in track(sizes)]


def _thumbnail(picture: Image.Image, path: Path, size: int) -> str:
    small = picture.copy()
    small.thumbnail((size, size))
    target = path.with_name(f"{path.stem}-{size}.webp")
    draft = target.with_name(f".{target.name}.{current_job.id}")  # whoever looks meanwhile sees no half picture
    small.save(draft, "WEBP")
    draft.replace(target)
    return target.name
