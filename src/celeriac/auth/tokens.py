"""The tokens of one installation: who comes in, and how tokens come and go. Speaks to its store alone.

A token that was let in is remembered for FRESH seconds, so that not every request costs a look-up; that long,
at the most, does a revoked one still open the door. Its last use is written once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from celeriac.auth.caller import Caller, Scope, Way
from celeriac.auth.token import Token, fingerprint_of, from_fields, id_in, issue, to_ms
from celeriac.errors import Unauthorized, UnknownToken

FRESH = 2.0
USE_WRITTEN_EVERY = timedelta(minutes=1)
_MOST_REMEMBERED = 1000


class TokenStore(Protocol):
    """Where tokens are kept: one flat hash of strings for each id."""

    def read_token(self, token_id: str) -> Mapping[str, str]:
        """Return the fields of one token; empty when there is none."""

    def read_tokens(self) -> Mapping[str, Mapping[str, str]]:
        """Return the fields of every token by its id."""

    def write_token(self, token_id: str, fields: Mapping[str, str]) -> None:
        """Keep a token, in place of what was kept under its id."""

    def update_token(self, token_id: str, fields: Mapping[str, str]) -> bool:
        """Set some fields of a token that exists; False when it does not (it was revoked meanwhile)."""

    def delete_token(self, token_id: str) -> bool:
        """Forget a token; False when there was none."""

    def count_tokens(self) -> int:
        """Return how many tokens there are."""


def _now() -> datetime:
    return datetime.now(UTC)


class Tokens:
    """Every token of the store. Safe for threads: each method is one look-up or one write."""

    def __init__(
        self,
        store: TokenStore,
        *,
        clock: Callable[[], datetime] = _now,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ticks = ticks
        self._remembered: dict[str, tuple[float, Token]] = {}
        self._ids: dict[str, str] = {}  # fingerprint of what was let in -> its token's id

    def caller(self, text: str) -> Caller:
        """Return who shows the token `text`; Unauthorized when it opens nothing."""
        shown = fingerprint_of(text)
        token_id = self._ids.get(shown) or id_in(text)
        token = self._find(token_id) if token_id else None
        if token is None or not token.fits(shown):
            raise Unauthorized(
                "The token is not known here.", "Check it, or ask for a new one: `flask jobs token create`."
            )
        self._ids[shown] = token_id
        return self._let_in(token, Way.TOKEN)

    def caller_of_session(self, token_id: str) -> Caller:
        """Return who signed in with the token of this id, while it still exists; else Unauthorized."""
        token = self._find(token_id)
        if token is None:
            raise Unauthorized("The token of this session is gone.", "Sign in again with another one.")
        return self._let_in(token, Way.SESSION)

    def create(
        self, owner: str, scopes: frozenset[Scope], *, lifetime: timedelta | None = None, name: str = ""
    ) -> tuple[str, Token]:
        """Keep a new token; return its text, which nobody can show again, and what is kept."""
        text, token = issue(owner, scopes, self._clock(), lifetime=lifetime, name=name)
        self._store.write_token(token.id, token.fields())
        return text, token

    def rotate(self, token_id: str, overlap: timedelta) -> tuple[str, Token]:
        """Keep a new token with the terms of an old one, which ends after `overlap`."""
        old = self._known(token_id)
        now = self._clock()
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        made = self.create(old.owner, old.scopes, lifetime=lifetime, name=old.name)
        ends = min(now + overlap, old.expires_at) if old.expires_at else now + overlap
        self._store.update_token(token_id, {"expires": str(to_ms(ends))})
        self._remembered.pop(token_id, None)
        return made

    def revoke(self, token_id: str) -> None:
        """Forget a token; UnknownToken when there is none."""
        self._remembered.pop(token_id, None)
        if not self._store.delete_token(token_id):
            raise _unknown(token_id)

    def list(self) -> list[Token]:
        """Return every token, the newest first."""
        found = (from_fields(token_id, fields) for token_id, fields in self._store.read_tokens().items())
        return sorted(found, key=lambda token: (token.created_at, token.id), reverse=True)

    def count(self) -> int:
        """Return how many tokens there are, expired ones too."""
        return self._store.count_tokens()

    def _known(self, token_id: str) -> Token:
        fields = self._store.read_token(token_id)
        if not fields:
            raise _unknown(token_id)
        return from_fields(token_id, fields)

    def _find(self, token_id: str) -> Token | None:
        read_at, token = self._remembered.get(token_id, (-FRESH, None))
        if token is not None and self._ticks() - read_at < FRESH:
            return token
        fields = self._store.read_token(token_id)
        if not fields:
            self._remembered.pop(token_id, None)
            return None
        token = from_fields(token_id, fields)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
            self._ids.clear()
        self._remembered[token_id] = (self._ticks(), token)
        return token

    def _let_in(self, token: Token, way: Way) -> Caller:
        now = self._clock()
        if token.is_expired(now):
            raise Unauthorized(
                "The token has expired.", f"Replace it: `flask jobs token create --owner {token.owner}`."
            )
        if token.last_used_at is None or now - token.last_used_at >= USE_WRITTEN_EVERY:
            self._store.update_token(token.id, {"used": str(to_ms(now))})
            read_at, _ = self._remembered.get(token.id, (-FRESH, None))
            self._remembered[token.id] = (read_at, replace(token, last_used_at=now))
        return token.caller(way)


def _unknown(token_id: str) -> UnknownToken:
    return UnknownToken(f"There is no token {token_id[:40]!r}.", "`flask jobs token list` shows them.")
