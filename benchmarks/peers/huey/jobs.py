"""huey 3: Redis list, results in a hash; delivery is at most once."""

import logging
import os
import time

from huey import RedisHuey
from redis import ConnectionPool

logging.getLogger("huey").setLevel(logging.WARNING)
# redis-py stops at 100 connections; a thousand threads need one each.
pool = ConnectionPool.from_url(os.environ["BENCH_URL"], max_connections=2000)
huey = RedisHuey("bench", connection_pool=pool)


@huey.task()
def add(x, y):
    return x + y


@huey.task()
def nap(steps, seconds):
    for _ in range(steps):
        time.sleep(seconds)
    return steps
