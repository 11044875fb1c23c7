"""The submitting side of a benchmark, run inside a peer's own environment: standard library only.

A peer's `drive.py` subclasses `Peer` and calls `serve`. Requests come as JSON lines on standard input, and
every one is answered by one JSON line on standard output. Times are CLOCK_MONOTONIC, which all share.
"""

import asyncio
import gc
import json
import os
import random
import sys
import time
from importlib import metadata

URL = os.environ.get("BENCH_URL", "")
PROBES = 50
CHUNK = 500


class Peer:
    """What a system must be able to do: submit additions and naps, read results without consuming them."""

    packages = ()

    async def open(self):
        """Connect; called once before anything else."""

    async def close(self):
        """Disconnect; called once at the end."""

    async def submit(self, pairs):
        """Submit one `add(x, y)` job for each pair, one call per job, and return a handle for each."""
        raise NotImplementedError

    async def submit_bulk(self, pairs):
        """The same by the system's own call for many jobs; None when it has none."""
        return None

    async def nap(self, number, steps, seconds):
        """Submit `number` jobs that each sleep `steps` times for `seconds` and return `steps`."""
        raise NotImplementedError

    async def results(self, handles):
        """The value of each handle in order; None where there is no result yet."""
        raise NotImplementedError


class Session:
    """One driver's memory: what was submitted and which value each job must return."""

    def __init__(self, peer):
        self.peer = peer
        self.expected = []
        self.random = random.Random(20_26)

    async def versions(self, request):
        names = {name: metadata.version(name) for name in self.peer.packages}
        return {"versions": names, "python": sys.version.split()[0]}

    async def submit(self, request):
        pairs = [(self.random.randrange(10**6), i) for i in range(request["n"])]
        call = self.peer.submit_bulk if request.get("bulk") else self.peer.submit
        gc.collect()
        cpu, wall = time.process_time(), time.monotonic()
        handles = await call(pairs)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        if handles is None:
            return {"unsupported": True}
        self.expected += [(handle, x + y) for handle, (x, y) in zip(handles, pairs, strict=True)]
        return {"cpu": cpu, "wall": wall}

    async def nap(self, request):
        handles = await self.peer.nap(request["n"], request["steps"], request["seconds"])
        self.expected += [(handle, request["steps"]) for handle in handles]
        return {}

    async def wait(self, request):
        """Wait until every job submitted since the last wait has its result, or the time is over."""
        deadline = time.monotonic() + request["seconds"]
        wrong, found, missing, finished = [], 0, self.expected, None
        while missing and time.monotonic() < deadline:
            moment = time.monotonic()
            probes = await self.peer.results([handle for handle, _ in missing[-PROBES:]])
            if None in probes:
                await asyncio.sleep(request.get("poll", 0.005))
                continue
            missing, seen, bad = await self._scan(missing)
            found, wrong = found + seen, wrong + bad
            finished = moment if not missing else None
        if missing:
            missing, seen, bad = await self._scan(missing)
            found, wrong = found + seen, wrong + bad
        self.expected, lost = [], [str(handle) for handle, _ in missing[:3]]
        return {"finished": finished, "found": found, "missing": len(missing), "wrong": wrong[:3], "lost": lost}

    async def _scan(self, expected):
        missing, found, wrong = [], 0, []
        for start in range(0, len(expected), CHUNK):
            part = expected[start : start + CHUNK]
            values = await self.peer.results([handle for handle, _ in part])
            for (handle, value), got in zip(part, values, strict=True):
                if got is None:
                    missing.append((handle, value))
                elif got == value:
                    found += 1
                else:
                    wrong.append([str(handle), value, str(got)])
        return missing, found, wrong

    async def latency(self, request):
        """Submit one job at a time and look every 0.2 ms until its result is visible."""
        times = []
        for i in range(request["n"]):
            await asyncio.sleep(request.get("pause", 0.01))
            start = time.monotonic()
            handle = (await self.peer.submit([(i, 1)]))[0]
            while (await self.peer.results([handle]))[0] is None:
                if time.monotonic() - start > 10:
                    return {"seconds": times, "missing": 1}
                time.sleep(0.0002)  # an event loop's shortest sleep takes a millisecond
            times.append(time.monotonic() - start)
        return {"seconds": times, "missing": 0}


def serve(peer):
    """Answer requests until standard input ends."""
    asyncio.run(_serve(peer))


async def _serve(peer):
    out, sys.stdout = sys.stdout, sys.stderr
    session = Session(peer)
    await peer.open()
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        request = json.loads(line)
        reply = await getattr(session, request["do"])(request)
        out.write(json.dumps(reply) + "\n")
        out.flush()
    await peer.close()
