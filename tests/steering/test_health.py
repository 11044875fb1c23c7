"""A server that would lose jobs is found out before the first one, with the remedy."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from celeriac import config
from celeriac.errors import BrokerUnavailable, BrokerUnfit, ConfigError
from celeriac.stack.valkey import Valkey
from celeriac.store import clients, health


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server whose settings may be spoilt."""
    server = Valkey(tmp_path_factory.mktemp("valkey")).start()
    yield server
    server.kill()  # nothing of it is kept


@pytest.fixture
def client(own: Valkey) -> Iterator[Any]:
    found: Any = redis.Redis.from_url(own.url)
    names = ("maxmemory-policy", "appendonly", "save", "hash-max-listpack-value")
    before = {name: found.config_get(name)[name] for name in names}
    yield found
    for name, value in before.items():
        found.config_set(name, value)


class Old:
    """A server of another version and role; real ones are not at hand."""

    def __init__(self, **info: Any) -> None:
        self._info = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1, **info}

    def info(self, _: str) -> dict[str, Any]:
        return self._info

    def config_get(self, *_: str) -> dict[str, str]:
        raise redis.ResponseError("NOPERM this user has no permissions to run the 'config|get' command")


def names(found: Any) -> list[str]:
    return [finding.name for finding in health.check(found)]


def test_the_server_that_up_starts_has_nothing_against_it(client: Any) -> None:
    assert health.check(client) == []
    assert health.check_worker(client)


def test_a_server_that_throws_keys_away_is_refused(client: Any) -> None:
    client.config_set("maxmemory-policy", "volatile-lru")

    with pytest.raises(BrokerUnfit, match="maxmemory-policy volatile-lru") as refused:
        health.check_worker(client)
    assert "noeviction" in refused.value.hint


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"redis_version": "6.2.14"}, "Redis 6.2.14 is too old"),
        ({"cluster_enabled": 1}, "Redis Cluster"),
        ({"role": "slave"}, "replica"),
    ],
)
def test_a_server_that_cannot_do_it_is_refused(info: dict[str, Any], said: str) -> None:
    with pytest.raises(BrokerUnfit, match=said):
        health.check_worker(Old(**info))


def test_all_that_is_wrong_is_said_at_once_the_worst_first(client: Any) -> None:
    client.config_set("appendonly", "no")
    client.config_set("hash-max-listpack-value", "64")
    client.config_set("maxmemory-policy", "allkeys-lru")

    found = health.check(client)

    assert [str(finding.level) for finding in found] == ["error", "warning", "hint"]
    assert all(finding.remedy.endswith(".") for finding in found)


def test_missing_persistence_is_a_warning_that_the_worker_logs(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    client.config_set("appendonly", "no")
    client.config_set("save", "")

    with caplog.at_level(logging.WARNING):
        assert health.check_worker(client)

    assert "a restart loses every job" in caplog.text
    client.config_set("save", "3600 1")
    assert "snapshots only" in health.check(client)[0].message


def test_a_server_that_hides_its_settings_is_judged_by_what_it_shows() -> None:
    assert names(Old()) == []
    assert names(Old(maxmemory_policy="allkeys-lfu")) == ["eviction"]


def test_a_worker_waits_for_a_server_that_is_away() -> None:
    away = clients.from_url("redis://127.0.0.1:1/0")

    with pytest.raises(BrokerUnavailable):
        health.check(away)
    assert not health.check_worker(away)


@pytest.mark.parametrize(
    "backend",
    [
        "redis://localhost:6379/1",
        "redis://other:6379/0",
        "redis://localhost:6380/0",
        "db+sqlite:///results.db",
        "rpc://",
        "redis://localhost:port/0",
    ],
)
def test_results_elsewhere_than_the_queue_are_refused(backend: str) -> None:
    with pytest.raises(ConfigError, match="RESULT_BACKEND") as refused:
        config.load({"BROKER_URL": "redis://localhost:6379/0", "RESULT_BACKEND": backend}, {})
    assert "BROKER_URL" in refused.value.hint


@pytest.mark.parametrize(
    ("broker", "backend"),
    [
        ("redis://localhost", "redis://:secret@127.0.0.1:6379/0"),
        ("sentinel://a:26379;sentinel://b:26379/0", "sentinel://b:26379;sentinel://a:26379"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2"),
        ("redis://localhost/0", ""),
    ],
)
def test_the_same_place_may_be_spelt_in_two_ways(broker: str, backend: str) -> None:
    settings = config.load({"BROKER_URL": broker, "RESULT_BACKEND": backend}, {})

    assert settings.result_backend == (backend or broker)


def test_the_stock_transport_leaves_results_where_they_are() -> None:
    given = {"BROKER_URL": "redis://a/0", "RESULT_BACKEND": "redis://b/1", "CELERIAC_TRANSPORT": "stock"}

    assert config.load(given, {}).result_backend == "redis://b/1"


@pytest.mark.parametrize("config_given", [{}, {"BROKER_URL": "redis://localhost:6379/0"}])
def test_a_broker_given_in_celerys_own_way_is_refused(config_given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="celery -b"):
        config.load(config_given, {"CELERY_BROKER_URL": "redis://elsewhere:6379/0"})


def test_the_broker_of_the_environment_that_the_celery_command_passes_on_is_no_other() -> None:
    same = {"BROKER_URL": "redis://elsewhere/0", "CELERY_BROKER_URL": "redis://elsewhere/0"}

    assert config.load({}, same).broker_url == "redis://elsewhere/0"
    assert config.load({"BROKER_URL": "redis://app/0"}, same).broker_url == "redis://app/0"


@pytest.mark.slow
def test_a_worker_does_not_start_on_a_server_that_throws_jobs_away(client: Any, own: Valkey) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "backend", "worker", "-P", "solo"],
        env={**os.environ, "BROKER_URL": own.url, "SECRET_KEY": "a-key-of-the-tests-0123456789abcdef"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert worker.returncode == BrokerUnfit.exit_code
    assert "Set `maxmemory-policy noeviction`" in worker.stderr
