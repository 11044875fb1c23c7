"""Submit jobs to streaQ; results are read by the worker object's own keys."""

import jobs
from jobdriver import Peer, serve


class Streaq(Peer):
    """`enqueue` and `enqueue_many`; results by MGET."""

    packages = ("streaq", "coredis")

    async def open(self):
        self.context = jobs.worker
        await self.context.__aenter__()

    async def close(self):
        await self.context.__aexit__(None, None, None)

    async def submit(self, pairs):
        return [(await jobs.add.enqueue(x, y)).id for x, y in pairs]

    async def submit_bulk(self, pairs):
        ids = []
        for start in range(0, len(pairs), 1000):
            part = [jobs.add.enqueue(x, y) for x, y in pairs[start : start + 1000]]
            await jobs.worker.enqueue_many(part)
            ids += [task.id for task in part]
        return ids

    async def nap(self, number, steps, seconds):
        return [(await jobs.nap.enqueue(steps, seconds)).id for _ in range(number)]

    async def results(self, handles):
        rows = await jobs.worker.redis.mget([jobs.worker.results_key + handle for handle in handles])
        return [(await jobs.worker.deserialize(row))["r"] if row else None for row in rows]


serve(Streaq())
