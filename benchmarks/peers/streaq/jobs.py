"""streaQ on Redis streams, two processes of 64 coroutines on uvloop."""

import asyncio
import os

from streaq import Worker

URL = os.environ["BENCH_URL"]
worker = Worker(
    redis_url=URL,
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "64")),
    anyio_kwargs={"use_uvloop": True},
)


@worker.task
async def add(x: int, y: int) -> int:
    return x + y


@worker.task
async def nap(steps: int, seconds: float) -> int:
    for _ in range(steps):
        await asyncio.sleep(seconds)
    return steps
