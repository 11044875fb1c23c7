"""Speaks Redis: a small cache of JSON values beside the queue, each with its own expiry. No pickle.

A cache is not the truth: when Redis does not answer, values are made anew and a warning is logged.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis, RedisError

logger = logging.getLogger(__name__)


class Cache:
    """Values under `<prefix>celeriac:cache:<key>`."""

    def __init__(self, client: Redis, prefix: str = "") -> None:
        self._client = client
        self._prefix = f"{prefix}celeriac:cache:"

    def get_or_make(self, key: str, seconds: float, make: Callable[[], Any]) -> Any:
        """Return the value under `key`, made and kept for some seconds if it is absent.

        Both ways it is what JSON gives back: a tuple is a list. Raises TypeError for what JSON cannot carry.
        """
        kept = self._read(self._prefix + key)
        if kept is None:
            kept = json.dumps(make(), allow_nan=False).encode()
            self._write(self._prefix + key, kept, seconds)
        return json.loads(kept)

    def _read(self, key: str) -> bytes | None:
        try:
            kept = self._client.get(key)
        except RedisError as error:
            logger.warning("The cache could not be read: %s", error)
            return None
        return kept if isinstance(kept, bytes) else None

    def _write(self, key: str, value: bytes, seconds: float) -> None:
        try:
            self._client.set(key, value, px=max(1, int(seconds * 1000)))
        except RedisError as error:
            logger.warning("The cache could not be written: %s", error)


def cache_key(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return the key of a call, the same however its arguments are spelled: `f(1)`, `f(x=1)`, a default."""
    call = inspect.signature(fun).bind(*args, **kwargs)
    call.apply_defaults()
    words = json.dumps([call.args, call.kwargs], sort_keys=True, allow_nan=False)
    return f"{fun.__module__}.{fun.__qualname__}:{hashlib.sha256(words.encode()).hexdigest()}"
