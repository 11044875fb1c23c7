"""Run one streaQ worker with logs at WARNING (its own command always logs every job)."""

import logging

import jobs

logging.basicConfig(level=logging.WARNING)
jobs.worker.run_sync()
