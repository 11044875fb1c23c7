"""Thousands of watchers in one process: opens streams, and prints as JSON how late every report of progress arrived.

    python -m benchmarks.watch_clients PORT WATCHERS JOB…     then `go` on standard input ends it

It says `open` when all streams are. A watcher counts an event as missed when a number of its job is left out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array

AT_ONCE = 50  # connections being opened


class Watchers:
    """What all of them found: delays in seconds, events missed, streams that were refused or cut."""

    def __init__(self) -> None:
        self.delays, self.missed, self.refused, self.cut = array("d"), 0, 0, 0
        self.open = 0
        self.over = False

    async def watch(self, port: int, job: str, gate: asyncio.Semaphore) -> None:
        """Follow one job until it ends."""
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 14)
            writer.write(f"GET /api/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                self.refused += 1
                return
        self.open += 1
        last, number, ended, message = 0, 0, False, b'"message":"'
        while line := await reader.readline():
            if line.startswith(b"id: "):
                number = int(line[4:])
                self.missed += bool(last) and number - last - 1
                last = number
            elif line.startswith(b"event: end"):
                ended = True
            elif (at := line.find(message)) > 0:
                self.delays.append(time.time() - float(line[at + len(message) : line.index(b'"', at + 11)]))
            if self.over:
                break
        self.cut += not ended and not self.over
        writer.close()

    def begin_anew(self) -> None:
        """Forget the delays so far: those who came late were told the past."""
        self.delays = array("d")


async def main(port: int, count: int, jobs: list[str]) -> None:
    found, gate = Watchers(), asyncio.Semaphore(AT_ONCE)
    tasks = [asyncio.create_task(found.watch(port, jobs[n % len(jobs)], gate)) for n in range(count)]
    while found.open + found.refused < count:
        await asyncio.sleep(0.05)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    found.begin_anew()
    print("counting", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    found.over = True
    delays = sorted(found.delays)
    print(json.dumps({"delays": delays[:: max(1, len(delays) // 10_000)], "events": len(delays), "missed": found.missed,
                      "refused": found.refused, "cut": found.cut}), flush=True)  # fmt: skip
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
