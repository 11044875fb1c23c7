"""A job's signed link: `?key=…` lets whoever has it watch one job, or watch and cancel it. Pure.

The key is `<grant>.<expiry>.<signature>`, signed with a key derived from SECRET_KEY. Nothing is stored, so
one link cannot be taken back before its time; a new SECRET_KEY ends them all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from celeriac.auth.caller import Caller, Scope, Way
from celeriac.auth.token import to_ms
from celeriac.errors import Unauthorized

_KEY = re.compile(r"([wc])\.([0-9a-f]{1,12})\.([A-Za-z0-9_-]{22})")
_PURPOSE = b"celeriac: a job's signed link, version 1"


class Grant(StrEnum):
    """What a link allows."""

    WATCH = "w"
    CANCEL = "c"  # watch, and cancel


_SCOPES = {
    Grant.WATCH: frozenset({Scope.READ}),
    Grant.CANCEL: frozenset({Scope.READ, Scope.SUBMIT}),
}


def sign(secret: str | bytes, job_id: str, grant: Grant, expires_at: datetime) -> str:
    """Return the key for `job_id`, good until `expires_at`."""
    expiry = f"{to_ms(expires_at) // 1000:x}"
    return f"{grant}.{expiry}.{_signature(secret, job_id, grant, expiry)}"


def read(secrets: Sequence[str | bytes], job_id: str, key: str, now: datetime) -> Caller:
    """Return whoever shows `key` for `job_id`; Unauthorized when it was not signed with one of `secrets`.

    The first secret is SECRET_KEY; the others are Flask's SECRET_KEY_FALLBACKS, so that links outlive a
    rotation. A caller by link may cancel (scope submit) when it was granted, and sees no other job.
    """
    match = _KEY.fullmatch(key)
    if match is None or not any(
        hmac.compare_digest(match[3], _signature(secret, job_id, match[1], match[2])) for secret in secrets
    ):
        raise Unauthorized("This link does not open the job.", "Ask who gave it to you for the whole link.")
    if int(match[2], 16) * 1000 <= to_ms(now):
        raise Unauthorized("This link has expired.", "Ask who gave it to you for a new one.")
    return Caller(owner="", scopes=_SCOPES[Grant(match[1])], way=Way.LINK, job_id=job_id)


def _signature(secret: str | bytes, job_id: str, grant: str, expiry: str) -> str:
    raw = secret.encode() if isinstance(secret, str) else secret
    key = hmac.digest(raw, _PURPOSE, hashlib.sha256)
    said = hmac.digest(key, "\n".join((job_id, grant, expiry)).encode("utf-8", "replace"), hashlib.sha256)
    return base64.urlsafe_b64encode(said[:16]).decode().rstrip("=")
