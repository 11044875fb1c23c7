"""taskiq on Redis streams, acknowledged when the result is stored, JSON by orjson."""

import asyncio
import os

from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["BENCH_URL"]
results = RedisAsyncResultBackend(URL, serializer=ORJSONSerializer())
broker = RedisStreamBroker(URL, consumer_id="0").with_result_backend(results).with_serializer(ORJSONSerializer())


@broker.task
async def add(x: int, y: int) -> int:
    return x + y


@broker.task
async def nap(steps: int, seconds: float) -> int:
    for _ in range(steps):
        await asyncio.sleep(seconds)
    return steps
