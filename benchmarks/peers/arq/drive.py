"""Submit jobs to arq; results are pickles under `arq:result:<id>`."""

import jobs
from arq import create_pool
from arq.constants import result_key_prefix
from arq.jobs import deserialize_result
from jobdriver import Peer, serve


class Arq(Peer):
    """`enqueue_job`, one await per job; results by MGET."""

    packages = ("arq", "redis", "hiredis")

    async def open(self):
        self.pool = await create_pool(jobs.SETTINGS)

    async def close(self):
        await self.pool.aclose()

    async def submit(self, pairs):
        return [(await self.pool.enqueue_job("add", x, y)).job_id for x, y in pairs]

    async def nap(self, number, steps, seconds):
        return [(await self.pool.enqueue_job("nap", steps, seconds)).job_id for _ in range(number)]

    async def results(self, handles):
        rows = await self.pool.mget([result_key_prefix + handle for handle in handles])
        return [row and deserialize_result(row).result for row in rows]


serve(Arq())
