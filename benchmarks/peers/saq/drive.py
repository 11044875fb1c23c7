"""Submit jobs to SAQ; a result is part of its job document."""

import jobs
from jobdriver import Peer, serve
from saq import Status


class Saq(Peer):
    """`queue.enqueue`, results by `queue.jobs`."""

    packages = ("saq", "redis", "hiredis")

    async def open(self):
        await jobs.queue.connect()

    async def close(self):
        await jobs.queue.disconnect()

    async def submit(self, pairs):
        return [(await jobs.queue.enqueue("add", x=x, y=y)).key for x, y in pairs]

    async def nap(self, number, steps, seconds):
        enqueue = jobs.queue.enqueue
        limit = 60 + int(steps * seconds)
        kept = [await enqueue("nap", steps=steps, seconds=seconds, timeout=limit) for _ in range(number)]
        return [job.key for job in kept]

    async def results(self, handles):
        found = await jobs.queue.jobs(handles)
        return [job.result if job and job.status == Status.COMPLETE else None for job in found]


serve(Saq())
