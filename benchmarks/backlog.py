"""A million queued and a million delayed messages: what every move costs then."""

from __future__ import annotations

import sys
import time

from redis import Redis

from benchmarks.backlog_moves import MOVES, Backlog
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome, Ratio
from benchmarks.systems import ours

METHOD = (
    "CPU of the server's main thread for each call, so neither the network, nor a busy machine, nor the client counts. "
    "First with nothing else in Redis, then beside the backlog. Fetch 64 acknowledges 64 earlier ones on the way. "
    "The number after a move's name is how many messages one call handles at most: whoever needs more calls again."
)
LIMIT = 5.0


def run(plan: Plan, number: int = 1_000_000) -> Outcome:
    """One pass: these costs hardly jitter, and the backlog takes a minute or two to build."""
    number = 50_000 if plan.quick else number
    columns = ["move", "empty: p50 ms", "p99", "worst", "backlog: p50 ms", "p99", "worst"]
    outcome = Outcome("backlog", f"Beside {number:,} queued and {number:,} delayed messages", METHOD, columns)
    with ours.THREADS.idle() as running:
        running.driver.ask("submit", n=1)
        outcome.versions = running.driver.ask("versions")["versions"]
        with Redis.from_url(running.server.url, socket_timeout=60) as client:
            backlog = Backlog(client, running.server.pid)
            empty = backlog.survey()
            queued, delayed = _build(backlog, number)
            full = backlog.survey()
    for move in MOVES:
        outcome.rows.append([move, *_cells(empty[move]), *_cells(full[move])])
    outcome.ratios = _ratios(empty, full)
    outcome.ratios.append(Ratio("Redis bytes per queued job", [queued], -1638.0))
    outcome.ratios.append(Ratio("Redis bytes per delayed job", [delayed]))
    outcome.raw = {"empty": empty, "full": full}
    return outcome


def _build(backlog: Backlog, number: int) -> tuple[float, float]:
    """Fill both; bytes of Redis memory for each queued and each delayed job."""
    sizes = []
    for delay in (None, 86_400.0):
        start, before = time.monotonic(), backlog.used_memory()
        backlog.fill(number, delay)
        sizes.append((backlog.used_memory() - before) / number)
        print(f"  {number:,} messages in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return sizes[0], sizes[1]


def _ratios(empty: dict[str, list[float]], full: dict[str, list[float]]) -> list[Ratio]:
    kept = []
    for move in MOVES:
        bound = -1.1 if move.startswith(("submit", "fetch")) else None
        before, after = _at(empty[move], 0.5) or 1e-3, _at(full[move], 0.5)
        kept.append(Ratio(f"{move}, p50 with backlog / empty", [after / before], bound))
    worst = max(max(times) for times in full.values())
    return [*kept, Ratio("worst move beside the backlog, ms", [worst], -LIMIT)]


def _cells(times: list[float]) -> list[str]:
    return [f"{value:.3f}" for value in (_at(times, 0.5), _at(times, 0.99), max(times))]


def _at(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]
