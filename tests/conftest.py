"""What every test may ask for: a real Valkey of its own, on a private port, with a fresh database each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from celeriac.stack.valkey import Valkey

DATABASES = 4096


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the whole session; tests that stop or kill theirs start another."""
    server = Valkey(tmp_path_factory.mktemp("valkey"), config=[f"databases {DATABASES}"]).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.cycle(range(1, DATABASES))


@pytest.fixture
def broker_url(valkey: Valkey, _numbers: Iterator[int]) -> str:
    """The URL of an empty database that no other test uses (pub/sub channels are the server's, not its)."""
    return valkey.url.removesuffix("/0") + f"/{next(_numbers)}"
