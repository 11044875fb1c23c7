"""Submit jobs to RQ; a result is the last entry of the job's result stream."""

import jobs
from jobdriver import URL, Peer, serve
from redis import Redis
from rq import Queue
from rq.results import Result


class Rq(Peer):
    """`queue.enqueue` and `enqueue_many`; results by XREVRANGE in one pipeline."""

    packages = ("rq", "redis", "hiredis")

    async def open(self):
        self.redis = Redis.from_url(URL)
        self.queue = Queue("default", connection=self.redis)

    async def submit(self, pairs):
        return [self.queue.enqueue(jobs.add, x, y).id for x, y in pairs]

    async def submit_bulk(self, pairs):
        ids = []
        for start in range(0, len(pairs), 1000):
            part = [Queue.prepare_data(jobs.add, (x, y)) for x, y in pairs[start : start + 1000]]
            ids += [job.id for job in self.queue.enqueue_many(part)]
        return ids

    async def nap(self, number, steps, seconds):
        return [self.queue.enqueue(jobs.nap, steps, seconds).id for _ in range(number)]

    async def results(self, handles):
        pipe = self.redis.pipeline(transaction=False)
        for handle in handles:
            pipe.xrevrange(Result.get_key(handle), count=1)
        return [self._value(handle, rows) for handle, rows in zip(handles, pipe.execute(), strict=True)]

    def _value(self, handle, rows):
        if not rows:
            return None
        return Result.restore(handle, rows[0][0].decode(), rows[0][1], connection=self.redis).return_value


serve(Rq())
