"""Speaks Celery's bootsteps: connects a consumer with its process's table: cancellations, losses, who is listening."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from typing import Any

from celery import bootsteps
from celery.app.task import Context
from celery.bootsteps import CLOSE  # type: ignore[attr-defined]  # missing in the stubs
from celery.exceptions import WorkerShutdown
from celery.worker import state as worker_state

from celeriac.errors import BrokerUnfit
from celeriac.queue.table import Table
from celeriac.store.health import check_worker
from celeriac.worker.prefork import ForkPool
from celeriac.worker.process import adopt, process_of, settings_of, writer_of
from celeriac.worker.threads import ThreadPool

logger = logging.getLogger(__name__)


class Leases(bootsteps.StartStopStep):
    """Started after the task consumer, again at each reconnect."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self.started = time.time()
        self.asked: dict[str, float] = {}
        self.looked = False
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        """Refuse a Redis that would lose jobs; adopt the table; hear of what was cancelled, lost or dropped."""
        self._look_at_server(consumer)
        table: Table = consumer.task_consumer.channel.table
        adopt(consumer.app, table)
        table.stopping = False
        writer = writer_of(consumer.app)
        table.worker = consumer.hostname
        table.info = lambda: self._describe(consumer)
        table.hooks.gone = lambda token: writer.stop(token, "the lease ran out")
        table.hooks.closing = getattr(consumer.pool, "begin_given", table.hooks.closing)
        table.hooks.beside = isinstance(consumer.pool, (ThreadPool, ForkPool))
        table.hooks.room = getattr(consumer.pool, "room", table.hooks.room)
        table.hooks.cancelled = lambda token: self._cancel(consumer, token)
        table.hooks.tended = lambda tokens: self._heed_revokes(consumer, tokens)
        table.hooks.buried = lambda id, raw: consumer.call_soon(_hand_on, consumer.app, raw)
        table.hooks.dropped = lambda raw: consumer.call_soon(_hand_on, consumer.app, raw)

    def _look_at_server(self, consumer: Any) -> None:
        if self.looked:
            return
        try:
            self.looked = check_worker(consumer.app.backend.client)
        except BrokerUnfit as error:
            logger.critical("%s", error)
            raise WorkerShutdown(error.exit_code) from error

    def stop(self, consumer: Any) -> None:
        """The worker stops, or only reconnects: a pool that stops runs what it was given."""
        table = process_of(consumer.app).table
        if table is not None and consumer.blueprint.state == CLOSE:
            table.stopping = True

    def _describe(self, consumer: Any) -> str:
        queues = [queue.name for queue in consumer.task_consumer.queues] if consumer.task_consumer else []
        return json.dumps({
            "queues": queues, "pool": _pool_name(consumer.pool), "concurrency": consumer.pool.num_processes,
            "host": socket.gethostname(), "pid": os.getpid(), "started": self.started,
            "running": len(worker_state.active_requests),
            "total": sum(worker_state.total_count.values()),
            "stopping": worker_state.should_stop is not None,
        })  # fmt: skip

    def _cancel(self, consumer: Any, token: str) -> None:
        """A job of ours was asked to stop: tell it, and where the pool can, end it when it does not listen."""
        writer_of(consumer.app).stop(token, "cancelled")
        id = token.rpartition(":")[0]
        worker_state.revoked.add(id)  # one that waits for its slot here does not start
        since = self.asked.setdefault(token, time.monotonic())
        if time.monotonic() - since < settings_of(consumer.app).cancel_grace:
            return
        request = worker_state.requests.get(id)
        if request is not None and _can_terminate(consumer.pool):
            del self.asked[token]
            logger.warning("Job %s does not stop by itself; ending it by force.", request.id)
            consumer.call_soon(request.terminate, consumer.pool)

    def _heed_revokes(self, consumer: Any, tokens: list[str]) -> None:
        """Celery's revoke (Flower's button) of a running job is a cancel like any other."""
        for old in self.asked.keys() - set(tokens):
            del self.asked[old]
        for token in tokens:
            id = token.rpartition(":")[0]
            if id in worker_state.revoked and token not in self.asked:
                self.asked[token] = time.monotonic()
                consumer.call_soon(consumer.app.backend.mark_as_revoked, id, "revoked")


def _hand_on(app: Any, raw: bytes) -> None:
    """A job ended without its worker, or with one that may not have told: its chord, chain and errbacks hear of it."""
    request = _context(raw)
    if request is None:
        return
    try:
        app.backend.hand_on(request)
    except Exception:  # a consumer must not end over a chord that is gone
        logger.exception("Whoever waits for job %s may not have heard of its end.", request.id)


def _pool_name(pool: Any) -> str:
    """Return the pool as `-P` names it."""
    modules = {kind.__module__.rpartition(".")[2] for kind in type(pool).__mro__}
    known = {"prefork": "prefork", "gevent": "gevent", "eventlet": "eventlet", "solo": "solo", "thread": "threads"}
    return next((name for module, name in known.items() if module in modules), type(pool).__name__)


def _can_terminate(pool: Any) -> bool:
    return _pool_name(pool) in ("prefork", "gevent")


def _context(raw: bytes) -> Context | None:
    """Return the request that a message describes, or None when it is not a task of protocol 2."""
    try:
        message = json.loads(raw)
        args, kwargs, embed = json.loads(message["body"])
        more = {"args": args, "kwargs": kwargs, "delivery_info": message["properties"]["delivery_info"]}
        return Context({**message["headers"], **embed, **more, "celeriac_lease": ""})
    except (ValueError, LookupError, TypeError):
        return None
