"""Systems beyond Python, where they can be installed."""

from __future__ import annotations

import shutil

from benchmarks.environments import UnavailableError, node
from benchmarks.systems.base import System


class NodeSystem(System):
    """Runs under Node.js with the packages of its package-lock.json."""

    def interpreter(self) -> str:
        return shutil.which(node(self.folder)) or "node"

    def driver_command(self) -> list[str]:
        return [self.interpreter(), "drive.js"]


class RubySystem(System):
    """Runs under the distribution's Ruby with its packaged gems."""

    def interpreter(self) -> str:
        if not (shutil.which("ruby") and shutil.which("sidekiq")):
            raise UnavailableError("ruby and sidekiq are not installed (Debian: ruby-sidekiq)")
        return shutil.which("ruby") or "ruby"

    def program(self, word: str) -> str:
        return shutil.which(word) or word

    def driver_command(self) -> list[str]:
        return [self.interpreter(), "drive.rb"]


BULLMQ = NodeSystem(
    name="bullmq",
    setting="Node, 2 processes × 50",
    delivery="at least once",
    folder="bullmq",
    commands=[("node", "work.js")] * 2,
    naps=[("node", "work.js")],
    nap_env={"BENCH_CONCURRENCY": "1000"},
    pace=6000,
    bulk=True,
)
SIDEKIQ = RubySystem(
    name="sidekiq",
    setting="Ruby, 2 processes × 10 threads, stores no results",
    delivery="lost on kill",
    folder="sidekiq",
    commands=[("sidekiq", "-r", "./jobs.rb", "-c", "10", "-q", "default")] * 2,
    pace=5000,
    bulk=True,
)
