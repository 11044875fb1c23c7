"""Submit jobs to this project with plain `apply_async`."""

import jobs
from celerydrive import BatchingPeer
from jobdriver import serve


class Ours(BatchingPeer):
    """The Celery app that the extension made; record, events and leases as they come."""

    app, add, nap_task = jobs.app, jobs.add, jobs.nap


serve(Ours())
