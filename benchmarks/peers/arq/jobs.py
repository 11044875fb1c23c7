"""arq, two processes of 100 coroutines; polling every 5 ms instead of every half second."""

import asyncio
import os

import uvloop
from arq.connections import RedisSettings

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])


async def add(ctx, x, y):
    return x + y


async def nap(ctx, steps, seconds):
    for _ in range(steps):
        await asyncio.sleep(seconds)
    return steps


class Worker:
    """What the `arq` command reads."""

    functions = (add, nap)
    redis_settings = SETTINGS
    max_jobs = int(os.environ.get("BENCH_CONCURRENCY", "100"))
    poll_delay = 0.005
    log_results = False


LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}
