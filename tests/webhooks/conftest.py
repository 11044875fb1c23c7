"""An app that may call this machine, for each test."""

from __future__ import annotations

import pytest
from flask import Flask

from celeriac import Celeriac


@pytest.fixture
def app(broker_url: str) -> Flask:
    """An app whose webhooks go to receivers of the tests."""
    flask = Flask("webhooks")
    flask.config.update(BROKER_URL=broker_url, SECRET_KEY="k" * 32, CELERIAC_WEBHOOK_ALLOW="127.0.0.1")
    Celeriac(flask)
    return flask
