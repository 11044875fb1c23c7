"""`python3 dev.py chaos --minutes N --seed S`: a long storm, and whether memory, descriptors and Redis stay flat."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.storm import Storm

MIB = 1024 * 1024
JUDGED = ("worker KiB", "worker descriptors", "server descriptors", "server bytes a key")


def main() -> int:
    """Blow, print a line a minute, judge; exit 1 when something was lost or something grew."""
    parser = argparse.ArgumentParser(prog="dev.py chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="default: a random one"
    )
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="celeriac-chaos-") as folder:
        storm = Storm(Path(folder), given.seed)
        gauge = Gauge(storm)
        try:
            verdict = storm.blow(given.minutes * 60, gauge.look)
        finally:
            storm.close()
    print(verdict)
    grown = gauge.grown()
    print("flat" if not grown else "grown: " + ", ".join(grown))
    return 0 if verdict.sound and not grown else 1


class Gauge:
    """Reads sizes once a minute. Workers are replaced in a storm, so theirs are per worker, of the largest.

    Jobs that ended are kept for a day, so Redis grows with their number: it is judged by what each key takes.
    """

    def __init__(self, storm: Storm) -> None:
        self.storm, self.rows, self.next = storm, list[dict[str, float]](), time.monotonic() + 60

    def look(self) -> None:
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 60
        pids = [worker.pid for worker in self.storm.workers if worker.alive]
        keys = max(1, self.storm.system.redis.dbsize())
        memory = self.storm.system.redis.info("memory")["used_memory"]
        row = {
            "worker KiB": max(_status(pid, "VmRSS:") for pid in pids),
            "worker descriptors": max(map(_descriptors, pids)),
            "server descriptors": _descriptors(self.storm.system.valkey.pid),
            "server bytes a key": memory / keys,
            "server keys": keys,
            "server MiB": memory / MIB,
        }
        self.rows.append(row)
        print(
            f"{len(self.rows):4} min  " + "  ".join(f"{name} {value:,.0f}" for name, value in row.items()), flush=True
        )

    def grown(self) -> list[str]:
        """Return what the last third holds more of than the first, by a quarter."""
        third = len(self.rows) // 3
        if not third:
            return []
        first, last = self.rows[:third], self.rows[-third:]
        return [
            f"{name}: {max(r[name] for r in first):,.0f} → {min(r[name] for r in last):,.0f}"
            for name in JUDGED
            if min(r[name] for r in last) > 1.25 * max(r[name] for r in first)
        ]


def _descriptors(pid: int) -> float:
    return float(len(list(Path(f"/proc/{pid}/fd").iterdir())))


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    sys.exit(main())
