"""Submit jobs to dramatiq; results are one-element lists."""

import jobs
from jobdriver import Peer, serve


class Dramatiq(Peer):
    """`actor.send`, results by LINDEX as its backend does, many in one pipeline."""

    packages = ("dramatiq", "redis", "hiredis")

    async def submit(self, pairs):
        return [jobs.add.send(x, y) for x, y in pairs]

    async def nap(self, number, steps, seconds):
        return [jobs.nap.send(steps, seconds) for _ in range(number)]

    async def results(self, handles):
        backend = jobs.results
        pipe = backend.client.pipeline(transaction=False)
        for message in handles:
            pipe.lindex(backend.build_message_key(message), 0)
        return [row and backend.unwrap_result(backend.encoder.decode(row)) for row in pipe.execute()]


serve(Dramatiq())
