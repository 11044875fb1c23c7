"""What the figures were taken on: processor, cores, kernel, interpreter, server, and how busy it was."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

from benchmarks import servers


def describe() -> dict[str, str]:
    """One line per fact, ready to print."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {cores()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server": servers.version() + ", AOF everysec",
        "load": load(),
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def load() -> str:
    """The load average of the last minute: above the number of cores, rates mean little."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
