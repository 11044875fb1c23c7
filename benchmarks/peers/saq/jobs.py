"""SAQ on Redis, two processes of 20 coroutines."""

import asyncio
import os

import uvloop
from saq import Queue

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
queue = Queue.from_url(os.environ["BENCH_URL"], name="bench")


async def add(ctx, *, x, y):
    return x + y


async def nap(ctx, *, steps, seconds):
    for _ in range(steps):
        await asyncio.sleep(seconds)
    return steps


settings = {
    "queue": queue,
    "functions": [add, nap],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "20")),
}
