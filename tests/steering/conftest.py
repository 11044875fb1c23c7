"""An app of its own for each test."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.steering.steered import make_app


@pytest.fixture
def app(broker_url: str) -> Flask:
    """A Flask app with jobs, over an empty database."""
    return make_app(broker_url)
