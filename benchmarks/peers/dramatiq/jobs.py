"""dramatiq 2 on Redis with its result middleware; no metrics server."""

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import default_middleware
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from redis import ConnectionPool, Redis

# redis-py stops at 100 connections; a thousand threads need more.
client = Redis(connection_pool=ConnectionPool.from_url(os.environ["BENCH_URL"], max_connections=2000))
kept = [kind() for kind in default_middleware if kind.__name__ != "Prometheus"]
results = RedisBackend(client=client)
broker = RedisBroker(client=client, middleware=[*kept, Results(backend=results)])
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def add(x, y):
    return x + y


@dramatiq.actor(store_results=True)
def nap(steps, seconds):
    for _ in range(steps):
        time.sleep(seconds)
    return steps
