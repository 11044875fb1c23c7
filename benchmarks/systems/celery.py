"""Celery itself: the article's boilerplate as printed, and stock Celery tuned by its documented settings."""

from __future__ import annotations

import sys

from benchmarks.systems.base import System

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")


class CelerySystem(System):
    """Runs in this project's own environment: the same Celery, kombu and redis-py for all of them."""

    def interpreter(self) -> str:
        return sys.executable


def worker(app: str, number: int, *words: str) -> tuple[str, ...]:
    """The command of one worker with a node name of its own."""
    return ("celery", "-A", app, "worker", "-n", f"bench{number}@%h", *words)


def lanes(app: str, *words: str) -> tuple[tuple[str, ...], ...]:
    """Two worker processes of the same kind."""
    return tuple(worker(app, number, *words, *QUIET) for number in (1, 2))


BOILERPLATE = CelerySystem(
    name="boilerplate",
    setting="the article's code, Celery's defaults, prefork 2",
    delivery="lost on kill",
    folder="boilerplate",
    commands=[("celery", "-A", "backend", "worker", "--loglevel=info", "-c", "2")],
    naps=[("celery", "-A", "backend", "worker", "--loglevel=info", "-c", "2")],
    pace=500,
)
STOCK_PREFORK = CelerySystem(
    name="celery prefork",
    setting="stock, tuned, prefork 2, late ack",
    delivery="at least once, but for the fetch window",
    folder="celery",
    commands=[worker("jobs", 1, "-P", "prefork", "-c", "2", *QUIET)],
    pace=700,
    bulk=True,
)
STOCK_THREADS = CelerySystem(
    name="celery threads",
    setting="stock, tuned, threads 4 × 2, late ack",
    delivery="at least once, but for the fetch window",
    folder="celery",
    commands=lanes("jobs", "-P", "threads", "-c", "4"),
    naps=[worker("jobs", 1, "-P", "threads", "-c", "1000", *QUIET)],
    pace=800,
    bulk=True,
)
STOCK_SOLO = CelerySystem(
    name="celery solo",
    setting="stock, tuned, solo × 2, late ack",
    delivery="at least once, but for the fetch window",
    folder="celery",
    commands=lanes("jobs", "-P", "solo"),
    pace=900,
    bulk=True,
)
