"""Speaks kombu's message, as a consumer receives it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from kombu.transport import virtual

from celeriac.registry.value import read as read_json

JSON = "application/json"


class Message(virtual.Message):
    """A message whose plain JSON is decoded without kombu's look at every object for a type of its own."""

    def _decode(self) -> Any:
        plain = self.content_type == JSON and self.content_encoding == "utf-8" and b"__type__" not in self.body
        if plain and (self.accept is None or JSON in self.accept):
            with suppress(ValueError, RecursionError):  # kombu says it in its own words
                return read_json(self.body)
        return super()._decode()
