"""Speaks kombu's message, as a consumer receives it."""

from __future__ import annotations

from typing import Any

from kombu.transport import virtual

from celeriac.registry.value import read as read_json

JSON = "application/json"


class Message(virtual.Message):
    """A message of plain JSON is taken and decoded without kombu's look for what it may be besides."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        properties, headers, body = payload["properties"], payload.get("headers"), payload.get("body")
        if (
            kwargs or not headers or "compression" in headers or not isinstance(body, str) or not body.isascii()
            or properties.get("body_encoding") != "utf-8"
        ):  # fmt: skip
            super().__init__(payload, channel, **kwargs)
            return
        self._raw, self.body = payload, body.encode()
        self.channel, self.headers, self.properties = channel, headers, properties
        self.delivery_tag, self.delivery_info = properties["delivery_tag"], properties.get("delivery_info") or {}
        self.content_type, self.content_encoding = payload.get("content-type"), payload.get("content-encoding")
        self.errors: list[Any] = []
        self._decoded_cache, self._state, self.accept = None, "RECEIVED", None

    def _decode(self) -> Any:
        plain = self.content_type == JSON and self.content_encoding == "utf-8" and b"__type__" not in self.body
        if plain and (self.accept is None or JSON in self.accept):
            try:
                return read_json(self.body)
            except (ValueError, RecursionError):
                pass  # kombu says it in its own words
        return super()._decode()

    def ack(self, multiple: bool = False) -> None:
        """Acknowledge; kombu asks besides whether its consumer does, which is known here (`basic_consume`)."""
        if multiple or self.channel is None or self._state != "RECEIVED":
            super().ack(multiple)
        else:
            self.channel.qos.ack(self.delivery_tag)
            self._state = "ACK"
