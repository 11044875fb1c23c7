"""What an API token is: its text, its fingerprint, its terms. Pure.

The text is `clr_<id>_<secret><checksum>`: the prefix lets scanners find leaked ones, the id names it in
lists and logs, the checksum refuses a typing error without a look-up. Only the SHA-256 of the text is kept;
the secret has 190 bits, so nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from celeriac.auth.caller import Caller, Scope, Way, scopes_of
from celeriac.errors import ConfigError

PREFIX = "clr_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TEXT = re.compile(r"clr_([0-9A-Za-z]{10})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}")
_MAX_NAME = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of one token: everything but its text. Several tokens may act for one owner."""

    id: str
    fingerprint: str
    owner: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    name: str = ""

    def fits(self, shown: str) -> bool:
        """Whether this is the token of which a fingerprint is shown; takes equally long for every wrong one."""
        return hmac.compare_digest(self.fingerprint, shown)

    def is_expired(self, now: datetime) -> bool:
        """Whether the token's time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def caller(self, way: Way) -> Caller:
        """Return who calls with this token."""
        return Caller(owner=self.owner, scopes=self.scopes, way=way, token_id=self.id)

    def fields(self) -> dict[str, str]:
        """Return the token as a flat hash keeps it: times in epoch milliseconds, an empty one left out."""
        times = {"created": self.created_at, "expires": self.expires_at, "used": self.last_used_at}
        return {
            "fingerprint": self.fingerprint,
            "owner": self.owner,
            "scopes": " ".join(sorted(self.scopes)),
            "name": self.name,
            **{key: str(to_ms(time)) for key, time in times.items() if time},
        }


def from_fields(token_id: str, fields: Mapping[str, str]) -> Token:
    """Return the token that `fields()` wrote."""
    return Token(
        id=token_id,
        fingerprint=fields["fingerprint"],
        owner=fields["owner"],
        scopes=scopes_of(fields["scopes"].split()),
        created_at=from_ms(fields["created"]),
        expires_at=from_ms(fields["expires"]) if "expires" in fields else None,
        last_used_at=from_ms(fields["used"]) if "used" in fields else None,
        name=fields.get("name", ""),
    )


def issue(
    owner: str, scopes: frozenset[Scope], now: datetime, *, lifetime: timedelta | None = None, name: str = ""
) -> tuple[str, Token]:
    """Return a new token's text, to be shown once, and what to keep of it."""
    if not _OWNER.fullmatch(owner):
        raise ConfigError(
            f"{owner[:80]!r} cannot be the owner of a token.",
            "Use at most 64 letters, digits and `_.@+-`, as in `shop` or `ann@example.org`.",
        )
    if not scopes:
        raise ConfigError("A token without a scope is of no use.", f"Scopes are: {', '.join(Scope)}.")
    if lifetime is not None and lifetime <= timedelta(0):
        raise ConfigError("A token must live for some time.", "Leave `--expires` out for one without end.")
    if len(name) > _MAX_NAME or not name.isprintable():
        raise ConfigError(f"A token's name is one line of at most {_MAX_NAME} characters.")
    token_id, secret = _random(10), _random(32)
    body = f"{PREFIX}{token_id}_{secret}"
    text = body + _checksum(body)
    expires_at = now + lifetime if lifetime else None
    return text, Token(token_id, fingerprint_of(text), owner, scopes, now, expires_at, None, name)


def id_in(text: str) -> str:
    """Return the id that `text` carries, or nothing when it cannot be a token of ours."""
    match = _TEXT.fullmatch(text)
    if match is None or _checksum(text[:-6]) != match[3]:
        return ""
    return match[1]


def fingerprint_of(text: str) -> str:
    """Return the SHA-256 of a token's text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_ms(time: datetime) -> int:
    """Return an aware time in epoch milliseconds."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


def from_ms(text: str) -> datetime:
    """Return the aware UTC time of epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=int(text))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return digits
