"""Submit jobs to this project with plain `apply_async`, many with `submit_many`."""

import jobs
from celerydrive import CeleryPeer
from jobdriver import serve


class Ours(CeleryPeer):
    """The Celery app that the extension made; record, events and leases as they come."""

    app, add, nap_task = jobs.app, jobs.add, jobs.nap

    async def submit_bulk(self, pairs):
        return self.add.submit_many(pairs)


serve(Ours())
