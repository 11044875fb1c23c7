"""Memory of idle workers, and of Redis for each queued job and for each finished one."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measure import Plan, interleave
from benchmarks.outcome import Outcome, Ratio
from benchmarks.systems import beyond, celery, ours, peers
from benchmarks.systems.base import System

METHOD = (
    "Workers: proportional set size of all worker processes after a thousand jobs, idle. Redis: growth of "
    "`used_memory` (without buffers of clients and of the log) for each queued job that adds two numbers, and for each "
    "finished one with its result kept."
)
SYSTEMS = (
    ours.PREFORK,
    ours.THREADS,
    celery.BOILERPLATE,
    celery.STOCK_THREADS,
    peers.HUEY,
    peers.DRAMATIQ,
    peers.TASKIQ,
    peers.SAQ,
    peers.ARQ,
    peers.STREAQ,
    peers.RQ_SIMPLE,
    beyond.BULLMQ,
)


@dataclass(frozen=True)
class Size:
    """Bytes: of idle workers (MiB), of Redis for each queued and for each finished job."""

    mebibytes: float
    queued: float
    finished: float


def run(plan: Plan) -> Outcome:
    """One round is enough: sizes do not jitter."""
    jobs = 2_000 if plan.quick else 10_000
    rounds = interleave(SYSTEMS, 1, lambda system: take(system, jobs))
    columns = ["system", "idle workers MiB", "Redis bytes per queued job", "per finished job"]
    outcome = Outcome("memory", "Memory", METHOD, columns, notes=rounds.notes)
    for name in rounds.names():
        size = rounds.of(name)[0]
        outcome.rows.append([name, f"{size.mebibytes:.0f}", f"{size.queued:,.0f}", f"{size.finished:,.0f}"])
    if mine := rounds.of(ours.THREADS.name):
        outcome.ratios = [
            Ratio("bytes per queued job", [mine[0].queued], -1638.0),
            Ratio("bytes per finished job", [mine[0].finished], -1024.0),
        ]
    outcome.versions, outcome.raw = rounds.versions, rounds.raw()
    return outcome


def take(system: System, jobs: int) -> tuple[Size, Any]:
    """Queue jobs for frozen workers, look, let them run, look again."""
    with system.running(warm=1000) as running:
        idle = running.memory()
        jobs = min(jobs, system.pace * 10)
        running.crew.freeze()
        empty = used_memory(running.server.url)
        running.driver.ask("submit", n=jobs, bulk=system.bulk)
        full = used_memory(running.server.url)
        running.crew.thaw()
        running.driver.finish(120)
        done = used_memory(running.server.url)
        size = Size(idle / 2**20, (full - empty) / jobs, (done - empty) / jobs)
        return size, running.driver.ask("versions")


def used_memory(url: str) -> int:
    """What the server says it uses for data, without what it holds for its clients at this moment."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 5) as link:
        link.sendall(f"AUTH {parts.password}\r\nINFO memory\r\nQUIT\r\n".encode())
        reply = b""
        while part := link.recv(65536):
            reply += part
    said = dict(re.findall(rb"^(\w+):(\d+)\r$", reply, re.MULTILINE))
    try:
        return int(said[b"used_memory"]) - int(said[b"mem_clients_normal"]) - int(said[b"mem_aof_buffer"])
    except KeyError as error:
        raise OSError(f"the server did not say its memory: {error}") from error
