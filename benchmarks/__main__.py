"""`python3 dev.py bench [name…] [--quick]`: no name is the whole run, which rewrites docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks import environments, machine, outcome, report
from benchmarks.measure import Plan
from benchmarks.outcome import Outcome

NAMES = (
    "queue",
    "worker",
    "throughput",
    "submit",
    "http",
    "latency",
    "waiting",
    "backlog",
    "watch",
    "reporting",
    "memory",
    "startup",
    "history",
    "history_cost",
    "history_copying",
)
QUICK = Plan(rounds=1, seconds=0.5, quick=True)
WHOLE = Plan()


def main() -> int:
    """Run what was asked for."""
    asked = _arguments()
    if asked.list:
        print("\n".join(f"{name:12} {_first_line(name)}" for name in NAMES))
    elif asked.lock:
        environments.lock()
    elif asked.page:
        _write_page()
    else:
        plan = QUICK if asked.quick else Plan(asked.rounds, asked.seconds)
        for name in asked.names or NAMES:
            _run(name, plan)
        if not asked.names and not plan.quick:
            _write_page()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="which ones: " + ", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="one short round, nothing is written to docs/")
    parser.add_argument("--rounds", type=int, default=WHOLE.rounds, help="rounds (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=WHOLE.seconds, help="length of a measurement")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md from what was kept")
    parser.add_argument("--lock", action="store_true", help="renew the lock files of the peers")
    asked = parser.parse_args()
    if wrong := [name for name in asked.names if name not in NAMES]:
        parser.error(f"no such benchmark: {', '.join(wrong)}; there are {', '.join(NAMES)}")
    return asked


def _run(name: str, plan: Plan) -> None:
    print(f"{name}: {_first_line(name)}", file=sys.stderr)
    before = machine.describe()
    found: Outcome = importlib.import_module(f"benchmarks.{name}").run(plan)
    found.machine = {**before, "load": f"{before['load']} → {machine.load()}", "rounds": str(plan.rounds)}
    path = found.save(outcome.kept(quick=plan.quick))
    print(report.text(found))
    print(f"kept in {path}", file=sys.stderr)


def _write_page() -> None:
    folder = outcome.kept(quick=False)
    found = [outcome.load(path) for name in NAMES if (path := folder / f"{name}.json").exists()]
    page = report.write_page(found, environments.ROOT.parent / "docs")
    print(f"{page} written from {len(found)} benchmarks", file=sys.stderr)


def _first_line(name: str) -> str:
    return (importlib.import_module(f"benchmarks.{name}").__doc__ or "").splitlines()[0]


sys.exit(main())
