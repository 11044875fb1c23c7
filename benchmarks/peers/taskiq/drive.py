"""Submit jobs to taskiq; results are JSON documents under the job's id."""

import jobs
from jobdriver import Peer, serve
from redis.asyncio import Redis


class Taskiq(Peer):
    """`kiq`, one await per job; results by MGET."""

    packages = ("taskiq", "taskiq-redis", "redis", "hiredis")

    async def open(self):
        await jobs.broker.startup()
        self.redis = Redis.from_url(jobs.URL)

    async def close(self):
        await self.redis.aclose()
        await jobs.broker.shutdown()

    async def submit(self, pairs):
        return [(await jobs.add.kiq(x, y)).task_id for x, y in pairs]

    async def nap(self, number, steps, seconds):
        return [(await jobs.nap.kiq(steps, seconds)).task_id for _ in range(number)]

    async def results(self, handles):
        load = jobs.results.serializer.loadb
        return [row and load(row)["return_value"] for row in await self.redis.mget(handles)]


serve(Taskiq())
