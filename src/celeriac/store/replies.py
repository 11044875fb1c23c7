"""Speaks Redis: how what was stored is read back. What cannot be read becomes None, it never raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TypeAlias

#: A Redis client that replies bytes. redis-py's annotations hold every reply of every mode at once, which helps nobody.
Client: TypeAlias = Any
_read = json.JSONDecoder().decode  # `loads` would guess at the encoding first


def moment(value: Any) -> datetime | None:
    """Read a time of ours: milliseconds since the epoch."""
    try:
        return datetime.fromtimestamp(float(value) / 1000, UTC) if value else None
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def load(text: str | bytes | None) -> Any:
    """Read JSON."""
    try:
        return _read(text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")) if text else None
    except (ValueError, RecursionError):
        return None


def load_object(text: str | bytes | None) -> dict[str, Any] | None:
    """Read a JSON object."""
    value = load(text)
    return value if isinstance(value, dict) else None
