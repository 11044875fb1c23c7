"""This project: as installed, with every default, and its transport alone under an otherwise stock Celery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import URL

from benchmarks.servers import Server
from benchmarks.systems.celery import (
    QUIET,
    STOCK_PREFORK,
    STOCK_SOLO,
    STOCK_THREADS,
    CelerySystem,
    lanes,
    worker,
)
from celeriac.history import migrate
from celeriac.history.database import FILE, Database

DELIVERY = "at least once"
TRANSPORT = {"BENCH_TRANSPORT": "celeriac"}
MEMBERS = ("--loglevel=WARNING",)  # gossip, mingle and heartbeat stay on: `up` starts workers like this
FOLDER = {"CELERIAC_DATA": "{folder}"}

TRANSPORT_PREFORK, TRANSPORT_THREADS, TRANSPORT_SOLO = (
    replace(
        stock,
        name=stock.name.replace("celery", "transport"),
        setting=stock.setting.replace("stock", "our transport, stock backend"),
        delivery=DELIVERY,
        env=TRANSPORT,
        pace=2 * stock.pace,
    )
    for stock in (STOCK_PREFORK, STOCK_THREADS, STOCK_SOLO)
)


class Ours(CelerySystem):
    """Runs as it does from its second start on: the history's tables are there."""

    def prepare(self, server: Server) -> None:
        """Do what `flask jobs db upgrade` does."""
        database = Database(URL.create("sqlite", database=str(Path(server.folder) / FILE)))
        migrate.upgrade(database)
        database.dispose()


PREFORK = Ours(
    name="celeriac prefork",
    setting="defaults, prefork 2",
    delivery=DELIVERY,
    folder="celeriac",
    commands=[worker("jobs", 1, "-P", "prefork", "-c", "2", *MEMBERS)],
    env=FOLDER,
    pace=2000,
    bulk=True,
)
THREADS = Ours(
    name="celeriac threads",
    setting="defaults, threads 4 × 2",
    delivery=DELIVERY,
    folder="celeriac",
    env=FOLDER,
    commands=lanes("jobs", "-P", "threads", "-c", "4"),
    naps=[worker("jobs", 1, "-P", "threads", "-c", "1000", *QUIET)],
    pace=6000,
    bulk=True,
)
SOLO = Ours(
    name="celeriac solo",
    setting="defaults, solo × 2",
    delivery=DELIVERY,
    folder="celeriac",
    env=FOLDER,
    commands=lanes("jobs", "-P", "solo"),
    pace=6000,
    bulk=True,
)
PREFORK_BARE, THREADS_BARE = (
    replace(
        whole,
        name=f"{whole.name}, no history",
        setting=whole.setting.replace("defaults", "history off"),
        env={**FOLDER, "CELERIAC_HISTORY": "false"},
    )
    for whole in (PREFORK, THREADS)
)
