"""Speaks Redis: requests that may come twice, told apart by their idempotency key.

1. `reserve` is asked first: a new key is reserved with the id that the job will have, an answered one gives its answer.
2. The caller submits under that id, which is safe to repeat, and `keep`s the answer.
3. A request that does not know whether it submitted, or died meanwhile, leaves the key as it is: after a while the next
one takes over, with the same id. One that was refused `forget`s the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from celeriac.store.connection import reachable
from celeriac.store.moves import Space, ms
from celeriac.store.replies import Client
from celeriac.store.scripts import script

KEPT = 86400.0  # seconds that a key is remembered
GIVEN_UP = 5.0  # seconds after which a request without an answer is not waited for; longer than any submit takes


class Turn(StrEnum):
    """What a key says to a request that brings it."""

    FIRST = "first"
    AGAIN = "again"  # one came before, and it is not known what became of it
    BUSY = "busy"
    OTHER = "other"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The turn of a request, the id to submit under (FIRST, AGAIN) or the answer to repeat (DONE)."""

    turn: Turn
    id: str = ""
    answer: bytes = b""


def reserve(client: Client, space: Space, key: str, fingerprint: str, id: str) -> Reservation:
    """Ask for the key on behalf of a request with this fingerprint; `id` is used when it is the first."""
    args = (key, fingerprint, id, ms(KEPT), ms(GIVEN_UP))
    with reachable():
        turn, *rest = script("idempotency")(client, *space.head(), *args)
    found = Turn(turn.decode())
    if found is Turn.DONE:
        return Reservation(found, answer=rest[0])
    return Reservation(found, rest[0].decode() if rest else "")


def keep(client: Client, space: Space, key: str, fingerprint: str, answer: bytes) -> None:
    """Remember the answer, for as long as the key is remembered; also when a crash of Redis forgot the reservation."""
    with reachable():
        pipe = client.pipeline()
        pipe.hset(_key(space, key), mapping={"fingerprint": fingerprint, "since": 0, "answer": answer})
        pipe.pexpire(_key(space, key), ms(KEPT)).execute()


def forget(client: Client, space: Space, key: str) -> None:
    """Free the key: nothing was done, and any request may come under it."""
    with reachable():
        client.delete(_key(space, key))


def _key(space: Space, key: str) -> str:
    return f"{space.keys}idempotency:{key}"
