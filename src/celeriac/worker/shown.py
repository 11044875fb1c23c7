"""Speaks Celery's short form of arguments and results, as messages and events show them. Pure."""

from __future__ import annotations

from typing import Any

from celery.utils.saferepr import saferepr

MOST = 16  # values; with texts no longer than SHORT all of them fit into the 1,024 characters that Celery shows
SHORT = 40
FULL = 1024
LARGEST = 2**63


def brief(arguments: Any) -> str | None:
    """Return what Celery's `saferepr` makes of plain arguments, None of others: its walk costs as much as a submit."""
    kind = type(arguments)
    if kind not in (tuple, dict, list) or len(arguments) > MOST:
        return None
    if kind is dict and not (all(map(_is_plain, arguments)) and all(map(_is_plain, arguments.values()))):
        return None
    return repr(arguments) if kind is dict or all(map(_is_plain, arguments)) else None


def shown(value: Any, size: int) -> str:
    """Return what Celery's `saferepr` makes of any value within so many characters."""
    if size < FULL:
        return str(saferepr(value, size))
    return repr(value) if _is_plain(value) else brief(value) or str(saferepr(value, size))


def _is_plain(value: object) -> bool:
    if type(value) is str:
        return (
            len(value) <= SHORT and value.isascii() and value.isprintable() and "'" not in value and "\\" not in value
        )
    if type(value) is int:
        return -LARGEST < value < LARGEST
    return value is None or type(value) in (float, bool)
