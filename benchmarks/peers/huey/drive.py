"""Submit jobs to huey and peek at the results it keeps in one hash."""

import jobs
from jobdriver import Peer, serve


class Huey(Peer):
    """A task call is a submit; `peek_many` leaves the result where it is."""

    packages = ("huey", "redis", "hiredis")

    async def submit(self, pairs):
        return [jobs.add(x, y).id for x, y in pairs]

    async def nap(self, number, steps, seconds):
        return [jobs.nap(steps, seconds).id for _ in range(number)]

    async def results(self, handles):
        found = jobs.huey.storage.peek_many(handles)
        load = jobs.huey.serializer.deserialize
        return [load(found[handle]) if handle in found else None for handle in handles]


serve(Huey())
