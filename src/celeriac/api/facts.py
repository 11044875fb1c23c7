"""What is known of an app that is about to serve, for `auth.refusals` to judge. Speaks Flask."""

from __future__ import annotations

import logging

from flask import Flask

from celeriac.api.parts import Parts
from celeriac.auth.refusals import Facts, Finding
from celeriac.errors import BrokerUnavailable
from celeriac.store import health
from celeriac.store.health import Level

logger = logging.getLogger(__name__)


def facts_of(app: Flask, found: Parts) -> Facts:
    """Return the facts; what cannot be found out, because Redis does not answer yet, counts as well."""
    tokens: int | None = None
    broker: tuple[Finding, ...] = ()
    if not found.settings.local:
        try:
            tokens, broker = found.tokens.count(), _broker(found)
        except BrokerUnavailable as error:
            logger.warning("Neither tokens nor Redis could be looked at before serving: %s", error)
    return Facts(
        local=found.settings.local,
        secret_key=app.secret_key,
        debug=app.debug,
        testing=app.testing,
        tokens=tokens,
        broker=broker,
    )


def _broker(found: Parts) -> tuple[Finding, ...]:
    findings = health.check(found.context.client)
    return tuple(Finding(one.message, one.remedy) for one in findings if one.level is Level.ERROR)
