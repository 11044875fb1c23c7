"""The fixtures that apps use in their own tests."""

from __future__ import annotations

import logging
import sys

import pytest
from flask import Flask

from backend import create_app
from celeriac.errors import ConfigError
from celeriac.testing import WorkJobs, _databases, redis_server, redis_url, work_jobs

__all__ = ["_databases", "redis_server", "redis_url", "work_jobs"]


def test_jobs_are_done_while_the_test_works(redis_url: str, work_jobs: WorkJobs) -> None:
    app = create_app(BROKER_URL=redis_url)
    with work_jobs(app):
        for number in range(3):
            sent = app.extensions["celery"].tasks["backend.tasks.add"].delay(number, 1)
            assert sent.get(timeout=60) == number + 1
        slow = app.extensions["celery"].tasks["backend.tasks.long_task"].delay(steps=3, seconds=0.01)
        assert slow.get(timeout=60) == "Task complete!"


def test_the_process_logs_afterwards_as_it_did_before(
    redis_url: str, work_jobs: WorkJobs, caplog: pytest.LogCaptureFixture
) -> None:
    root, streams = logging.getLogger(), (sys.stdout, sys.stderr)
    before = root.level, list(root.handlers)

    with work_jobs(create_app(BROKER_URL=redis_url)):
        logging.getLogger("mine").warning("heard meanwhile")

    assert (root.level, root.handlers) == before
    assert (sys.stdout, sys.stderr) == streams
    assert "heard meanwhile" in caplog.text


def test_two_tests_do_not_share_jobs(redis_url: str) -> None:
    client = create_app(BROKER_URL=redis_url).extensions["celery"].client

    assert client.dbsize() == 0


def test_an_app_without_celeriac_is_refused(work_jobs: WorkJobs) -> None:
    with pytest.raises(ConfigError, match="no Celeriac"), work_jobs(Flask("plain")):
        pass
