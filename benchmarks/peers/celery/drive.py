"""Submit jobs to stock Celery."""

import jobs
from celerydrive import BatchingPeer
from jobdriver import serve


class Stock(BatchingPeer):
    """Plain `apply_async`; batches through `Producer.batch`."""

    app, add, nap_task = jobs.app, jobs.add, jobs.nap


serve(Stock())
