"""An app of its own for each test, and a hand that does its jobs."""

from __future__ import annotations

import pytest
from flask import Flask

from celeriac.actions import Context
from tests.steering.steered import Hand, make_app


@pytest.fixture
def app(broker_url: str) -> Flask:
    """A Flask app with jobs, over an empty database."""
    return make_app(broker_url)


@pytest.fixture
def context(app: Flask) -> Context:
    """What actions need of the app."""
    found: Context = app.extensions["celeriac"].context
    return found


@pytest.fixture
def hand(context: Context) -> Hand:
    """A worker whose every step is the test's."""
    return Hand(context)
