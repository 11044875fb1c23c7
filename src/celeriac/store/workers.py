"""Speaks Redis: the workers that were heard of, as their heartbeats describe them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celeriac.store import clients
from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client, load_object


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker; `alive` while it was heard within half a lease, `stopping` once it takes no more jobs.
    `running` and `total` count jobs."""

    name: str
    queues: tuple[str, ...]
    pool: str
    concurrency: int
    host: str
    pid: int
    started: datetime | None
    seen: datetime
    alive: bool
    running: int
    total: int
    stopping: bool = False


def list_workers(client: Client, space: Space) -> list[Worker]:
    """Return the workers heard of in the last minute, by name. Raises BrokerUnavailable."""
    with reachable():
        pipe = client.pipeline(transaction=False)
        pipe.zrange(f"{space.keys}workers", 0, -1, withscores=True).hgetall(f"{space.keys}workers:info")
        seen, infos = pipe.execute()
        now = clients.milliseconds(client)
    return _by_name(seen, infos, now, space.lease)


def read_workers(heard: Sequence[bytes], infos: Sequence[bytes], now: int, lease: float) -> list[Worker]:
    """Read what a move replies of them: name and time, name and description, in turn."""
    seen = zip(heard[::2], map(float, heard[1::2]), strict=True)
    return _by_name(seen, dict(zip(infos[::2], infos[1::2], strict=True)), now, lease)


def _by_name(seen: Iterable[tuple[bytes, float]], infos: Mapping[bytes, bytes], now: int, lease: float) -> list[Worker]:
    found = [_worker(name.decode(), at, infos.get(name, b""), now, lease) for name, at in seen]
    return sorted(found, key=lambda worker: worker.name)


def forget(client: Client, space: Space, name: str) -> None:
    """Take a worker that ends off the list. Raises redis.RedisError."""
    pipe = client.pipeline()
    pipe.zrem(f"{space.keys}workers", name).hdel(f"{space.keys}workers:info", name)
    pipe.execute()


def _worker(name: str, at: float, raw: bytes, now: int, lease: float) -> Worker:
    info = load_object(raw) or {}
    queues = info.get("queues")
    started = info.get("started")
    return Worker(
        name,
        tuple(q for q in queues if isinstance(q, str)) if isinstance(queues, list) else (),
        str(info.get("pool") or ""),
        _count(info, "concurrency"),
        str(info.get("host") or ""),
        _count(info, "pid"),
        datetime.fromtimestamp(started, UTC) if isinstance(started, int | float) else None,
        datetime.fromtimestamp(at / 1000, UTC),
        now - at <= lease * 500,
        _count(info, "running"),
        _count(info, "total"),
        info.get("stopping") is True,
    )


def _count(info: dict[str, Any], name: str) -> int:
    value = info.get(name)
    return value if isinstance(value, int) else 0
