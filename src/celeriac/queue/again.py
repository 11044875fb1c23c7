"""Speaks kombu's envelope: the kept message of a job that ended, made ready for another run."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import Any

from celeriac.queue.message import LEASE_HEADER, arguments
from celeriac.store.record import Again

ARGUMENTS_LIMIT = 4096  # bytes of a job's arguments that its record keeps


def again(queue: str, key: str, raw: bytes, reason: str, edited: Mapping[str, Any] | None = None) -> Again | None:
    """Return the message with its retries to come, without ETA and expiry, and with a tag of its own.

    `edited` replaces all arguments. None when it is no Celery task that any worker could read.
    """
    try:
        message = json.loads(raw)
        headers, properties = message["headers"], message["properties"]
        task, _ = headers["task"], headers["id"]
        text = _body(message)
        args, kwargs, *embed = json.loads(text)
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        return None
    if edited is not None:
        args, kwargs = [], dict(edited)
        text = json.dumps([args, kwargs, *embed])
        headers["argsrepr"], headers["kwargsrepr"] = repr(()), repr(kwargs)
    headers.update(retries=0, eta=None, expires=None)
    headers.pop(LEASE_HEADER, None)
    properties["delivery_tag"], properties["body_encoding"] = secrets.token_hex(8), "utf-8"
    message["body"] = text
    kept = {"args": arguments(text, ARGUMENTS_LIMIT)}
    return Again(queue, key, json.dumps(message), task, 0, properties["delivery_tag"], reason, kept)


def _body(message: Mapping[str, Any]) -> str:
    """Return the body as text; stock producers wrap it in base64 (kombu/transport/virtual/base.py)."""
    body: str = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        return base64.b64decode(body, validate=True).decode()
    return body
