"""Speaks Redis: whether this server can be trusted with jobs, found out before the first one.

1. `check` looks at the server and returns its findings, each with its remedy, the worst first.
2. `check_worker`, at a worker's start, refuses a server with an error and logs the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from celeriac.errors import BrokerUnavailable, BrokerUnfit
from celeriac.store.clients import ResponseError
from celeriac.store.connection import reachable
from celeriac.store.replies import Client

logger = logging.getLogger(__name__)

OLDEST = (7, 0)  # `RPOP` with a count came in 6.2, the writable script replies that the moves rely on in 7.0
LISTPACK_VALUE = 1024


class Level(StrEnum):
    """How bad a finding is: an error is refused, a warning can cost jobs, a hint costs memory."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the server: what, and what to do about it."""

    level: Level
    name: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


BLIND = Finding(
    Level.WARNING, "blind", "The server does not say how it is set up.", "Allow this user INFO, or look yourself."
)


def check(client: Client) -> list[Finding]:
    """Return what is wrong with the server, errors first. Raises BrokerUnavailable."""
    with reachable():
        info = _look(lambda: client.info("everything"))
        config = _look(lambda: client.config_get("hash-max-listpack-value", "save"))
    if not info:
        return [BLIND]
    found = [*_errors(info), *_warnings(info, config), *_hints(config)]
    return sorted(found, key=lambda finding: list(Level).index(finding.level))


def name_of(client: Client) -> str:
    """Return what the server calls itself, with its version. Raises BrokerUnavailable."""
    with reachable():
        info = _look(lambda: client.info("server"))
    name = str(info.get("server_name", "redis")).capitalize()
    return f"{name} {info.get(f'{name.lower()}_version', info.get('redis_version', ''))}".strip()


def refuse(findings: list[Finding]) -> None:
    """Raise BrokerUnfit naming every error among the findings."""
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if errors:
        raise BrokerUnfit(
            " ".join(finding.message for finding in errors), " ".join(finding.remedy for finding in errors)
        )


def check_worker(client: Client) -> bool:
    """Check the server for a worker that starts: raise BrokerUnfit, log warnings; False when Redis is away.

    A worker waits for Redis for ever, so its absence is not an error here: ask again once it is connected.
    """
    try:
        findings = check(client)
    except BrokerUnavailable:
        return False
    refuse(findings)
    for finding in findings:
        logger.log(logging.WARNING if finding.level is Level.WARNING else logging.INFO, "%s", finding)
    return True


def _errors(info: Mapping[str, Any]) -> Iterator[Finding]:
    version = str(info.get("redis_version", ""))
    if _number(version) < OLDEST:
        yield Finding(Level.ERROR, "version", f"Redis {version} is too old.", "Use Redis 7.0 or newer, or Valkey.")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        yield Finding(
            Level.ERROR,
            "eviction",
            f"Redis throws jobs away when it is full (maxmemory-policy {policy}).",
            "Set `maxmemory-policy noeviction` (CONFIG SET, and in redis.conf).",
        )
    if info.get("cluster_enabled"):
        yield Finding(
            Level.ERROR,
            "cluster",
            "This is a Redis Cluster, where one move cannot change a job and its queue together.",
            "Use one server, with replicas and Sentinel if it must not fail.",
        )
    if info.get("role") in ("slave", "replica"):
        yield Finding(Level.ERROR, "replica", "This server is a replica and takes no writes.", "Name its primary.")


def _warnings(info: Mapping[str, Any], config: Mapping[str, str]) -> Iterator[Finding]:
    if info.get("aof_enabled"):
        if info.get("aof_last_write_status") == "err":
            yield Finding(
                Level.WARNING, "disk", "Redis cannot write its append-only file.", "Look at its disk and log."
            )
        return
    snapshots = bool(config.get("save"))
    yield Finding(
        Level.WARNING,
        "persistence",
        "Redis keeps snapshots only: a crash loses the jobs of the last minutes."
        if snapshots
        else "Redis keeps nothing on disk: a restart loses every job.",
        "Set `appendonly yes`, with `appendfsync everysec` or `always`.",
    )


def _hints(config: Mapping[str, str]) -> Iterator[Finding]:
    value = config.get("hash-max-listpack-value")
    if value and int(value) < LISTPACK_VALUE:
        yield Finding(
            Level.HINT,
            "memory",
            f"Records of jobs with longer arguments take twice the memory (hash-max-listpack-value {value}).",
            f"Set `hash-max-listpack-value {LISTPACK_VALUE}`.",
        )


def _look(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the server's answer, or nothing where it does not let us look (managed, or by ACL)."""
    try:
        return ask()
    except ResponseError:
        return {}


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
