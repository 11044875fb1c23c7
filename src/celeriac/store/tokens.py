"""Speaks Redis: where API tokens are kept, one flat hash of strings for each id. What a token is, `auth` knows."""

from __future__ import annotations

from collections.abc import Mapping

from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client
from celeriac.store.scripts import script


class TokenStore:
    """The tokens of one installation. Every method raises BrokerUnavailable when Redis does not answer."""

    def __init__(self, client: Client, space: Space) -> None:
        self._client, self._space = client, space
        self._ids = f"{space.keys}tokens"

    def read_token(self, token_id: str) -> Mapping[str, str]:
        """Return the fields of one token; empty when there is none."""
        with reachable():
            return _fields(self._client.hgetall(self._key(token_id)))

    def read_tokens(self) -> Mapping[str, Mapping[str, str]]:
        """Return the fields of every token by its id."""
        with reachable():
            ids = sorted(id.decode() for id in self._client.smembers(self._ids))
            pipe = self._client.pipeline(transaction=False)
            for token_id in ids:
                pipe.hgetall(self._key(token_id))
            found = zip(ids, pipe.execute(), strict=True)
        return {token_id: _fields(fields) for token_id, fields in found if fields}

    def write_token(self, token_id: str, fields: Mapping[str, str]) -> None:
        """Keep a token, in place of what was kept under its id."""
        with reachable():
            pipe = self._client.pipeline()
            pipe.delete(self._key(token_id))
            pipe.hset(self._key(token_id), mapping=dict(fields))
            pipe.sadd(self._ids, token_id)
            pipe.execute()

    def update_token(self, token_id: str, fields: Mapping[str, str]) -> bool:
        """Set some fields of a token that exists; False when it does not (it was revoked meanwhile)."""
        words = [word for pair in fields.items() for word in pair]
        with reachable():
            return bool(script("token")(self._client, *self._space.head(), token_id, *words))

    def delete_token(self, token_id: str) -> bool:
        """Forget a token; False when there was none."""
        with reachable():
            pipe = self._client.pipeline()
            pipe.delete(self._key(token_id)).srem(self._ids, token_id)
            return bool(pipe.execute()[0])

    def count_tokens(self) -> int:
        """Return how many tokens there are."""
        with reachable():
            return int(self._client.scard(self._ids))

    def _key(self, token_id: str) -> str:
        return f"{self._space.keys}token:{token_id}"


def _fields(found: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in found.items()}
