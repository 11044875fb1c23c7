"""Signs webhooks as Standard Webhooks 1.0 says: HMAC-SHA256 over `id.timestamp.body`. Pure: speaks to nobody.

Every secret signs, so that a receiver that knows only the old or only the new one accepts the call.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

from celeriac.errors import ConfigError

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes of a secret
TOLERANCE = 300  # seconds between the two clocks


def read_secrets(text: str) -> list[bytes]:
    """Read secrets of the form `whsec_<base64>`, separated by spaces, the present one first. Raises ConfigError."""
    return [_secret(word) for word in text.split()]


def derived(keys: Iterable[str | bytes]) -> list[bytes]:
    """Return a secret for each of the app's own secret keys, for apps that set none for webhooks."""
    texts = [key.encode() if isinstance(key, str) else key for key in keys]
    return [hmac.digest(key, b"celeriac webhooks", "sha256") for key in texts if key]


def shown(secret: bytes) -> str:
    """Return a secret as its receiver enters it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(secrets: Sequence[bytes], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a call; `timestamp` is when this attempt is made (seconds)."""
    signatures = [f"v1,{signature(secret, id, timestamp, body)}" for secret in secrets]
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, without its version."""
    return base64.b64encode(hmac.digest(secret, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)).decode()


def verify(secrets: Sequence[bytes], given: Mapping[str, str], body: bytes, now: float) -> bool:
    """Is the call genuine, and of these five minutes? For receivers, and our own tests; header names in lower case."""
    id, stamp, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id and stamp.isdigit() and abs(now - int(stamp)) <= TOLERANCE):
        return False
    wanted = [signature(secret, id, int(stamp), body) for secret in secrets]
    told = [word.removeprefix("v1,") for word in signatures.split() if word.startswith("v1,")]
    return any(hmac.compare_digest(one, other) for one in wanted for other in told)


def _secret(word: str) -> bytes:
    try:
        secret = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not word.startswith(PREFIX) or not SHORTEST <= len(secret) <= LONGEST:
        raise ConfigError(
            "A webhook secret is not of the form whsec_<base64 of 24 to 64 bytes>.",
            "Make one: python3 -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"",
        )
    return secret
