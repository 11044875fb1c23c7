"""Does what carries an idempotency key once, and answers the same to whoever asks again. Speaks Flask."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from flask import Response, request

from celeriac.api.answers import answer
from celeriac.api.bodies import idempotency_key
from celeriac.api.door import caller
from celeriac.api.parts import parts
from celeriac.errors import BrokerError, BrokerUnavailable, CeleriacError, KeyInFlight, KeyReused
from celeriac.job import new_id
from celeriac.registry.value import JSON
from celeriac.store import idempotency
from celeriac.store.idempotency import Turn

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that can be told again."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    whole: bool = True  # one that is not is not kept: who asks again is asked for the rest

    def response(self) -> Response:
        return answer(self.body, self.status, self.headers)


def once(payload: dict[str, JSON], do: Callable[[str, bool], Told]) -> Told:
    """Return what `do` answers, or what it answered to the first request of this key.

    `do` gets the id under which to submit, and whether one came before that may have submitted it. Raises KeyInFlight
    (409), KeyReused (422), BrokerUnavailable.
    """
    given = idempotency_key()
    if not given:
        return do(new_id(), False)
    context = parts().context
    key = _digest(caller().owner, request.method, request.path, given)
    fingerprint = _digest(json.dumps(payload, sort_keys=True))
    found = idempotency.reserve(context.client, context.space, key, fingerprint, new_id())
    if found.turn is Turn.DONE:
        return Told(**json.loads(found.answer))
    if found.turn is Turn.BUSY:
        raise KeyInFlight("The first request with this Idempotency-Key has no answer yet.", "Ask again in a second.")
    if found.turn is Turn.OTHER:
        raise KeyReused("This Idempotency-Key was used for another request.", "Use a new key for a new request.")
    try:
        told = do(found.id, found.turn is Turn.AGAIN)
    except BrokerUnavailable:
        raise  # who knows what was done: after a while a repetition takes over, under the same id
    except CeleriacError:
        _free(key)
        raise
    if told.whole:
        _remember(key, fingerprint, told)
    return told


def _remember(key: str, fingerprint: str, told: Told) -> None:
    """Keep the answer. It is given even when that fails: a repetition then finds the job under the reserved id."""
    context = parts().context
    try:
        idempotency.keep(context.client, context.space, key, fingerprint, json.dumps(asdict(told)).encode())
    except BrokerError as error:
        logger.warning("The answer to an idempotency key was not kept: %s", error)


def _free(key: str) -> None:
    """Free the key of a request that was refused: nothing was done."""
    context = parts().context
    try:
        idempotency.forget(context.client, context.space, key)
    except BrokerError as error:
        logger.warning("An idempotency key stays reserved for some seconds: %s", error)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:40]
