"""Speaks Celery's strategy and request: gives a plain message to its pool, all others to Celery's own.

Plain is what Celery's strategy would only look at and hand on: no time to wait for, no expiry, no rate limit, no
stamps, not revoked, and nobody who listens to its signal. What such a job needs of Celery's strategy, request and
`fast_trace_task` (celery/worker/strategy.py, request.py, state.py, app/trace.py) is here; the rest stays Celery's.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from time import monotonic, time
from typing import Any

from celery import signals
from celery.app import trace as celery_trace
from celery.concurrency import solo
from celery.worker import state as celery_state
from celery.worker import strategy as celery_strategy

from celeriac.queue.message import LEASE_HEADER
from celeriac.queue.table import Table
from celeriac.worker.prefork import ForkPool
from celeriac.worker.request import Request, own_headers
from celeriac.worker.threads import ThreadPool

state: Any = celery_state  # the stubs lack half of these
celerys: Any = celery_strategy
tracing: Any = celery_trace
REQUEST = f"{Request.__module__}:{Request.__qualname__}"
POOLS = (solo.TaskPool, ThreadPool, ForkPool)


def plain(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return the strategy of a task for this consumer (`Task.Strategy`)."""
    usual: Callable[..., Any] = celerys.default(task, app, consumer, **options)
    if task.Request not in (REQUEST, Request) or not isinstance(consumer.pool, POOLS):
        return usual
    if isinstance(consumer.pool, ForkPool) and not app.use_fast_trace_task:  # its processes know no tasks by name
        return usual
    make, logged = plain_request(task, app, consumer), celerys.logger.isEnabledFor(logging.INFO)
    buckets, eventer, give = consumer.task_buckets, consumer.event_dispatcher, consumer.on_task_request

    def handle(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        headers = message.headers
        asks_more = (
            body is not None or headers.get("eta") or headers.get("expires") or headers.get("stamped_headers")
            or not headers.get(LEASE_HEADER) or headers["id"] in state.revoked or buckets[task.name]
            or signals.task_received.receivers
        )  # fmt: skip
        if asks_more:
            return usual(message, body, ack, reject, callbacks)
        request = make(message, ack, reject)
        if logged:
            request.log_received()
        if eventer and listens(eventer, task):
            request.tell_received()
        state.requests[request.id] = request
        state.reserved_requests.add(request)
        for callback in callbacks:
            callback(request)
        give(request)

    return handle


def listens(eventer: Any, task: Any) -> bool:
    """Whether somebody is to hear of this task's jobs (celery/events/dispatcher.py `send`)."""
    return bool(eventer.enabled and task.send_events and (not eventer.groups or "task" in eventer.groups))


def plain_request(task: Any, app: Any, consumer: Any) -> type[Plain]:
    """Return the class of a task's plain requests: what all of them share stands in it (as `create_request_cls`)."""
    shared = {
        "_task": task, "_app": app, "_type": task.name, "_eventer": consumer.event_dispatcher,
        "_hostname": consumer.hostname, "_connection_errors": consumer.connection_errors,
        "_remembered": app.conf.worker_deduplicate_successful_tasks,
    }  # fmt: skip
    return type("Request", (Plain,), shared)


class Plain(Request):
    """A request that is filled in, as Celery does it, when somebody asks more of it than a run that ends well."""

    token = ""
    table: Table
    _filled = _remembered = False

    def __init__(self, message: Any, ack: Any, reject: Any) -> None:
        headers = message.headers
        self._message, self._on_ack, self._on_reject = message, ack, reject
        self.id, self.token, self.table = headers["id"], headers[LEASE_HEADER], message.channel.table
        self.name = headers.get("shadow") or self._type

    def __getattr__(self, name: str) -> Any:
        """Return what only Celery's own `__init__` sets."""
        if self._filled:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        own = {"hostname": self._hostname, "eventer": self._eventer, "app": self._app, "task": self._task}
        self._fill(
            self._message, on_ack=self._on_ack, on_reject=self._on_reject, headers=self._message.headers,
            connection_errors=self._connection_errors, utc=self._app.uses_utc_timezone(), **own,
        )  # fmt: skip
        self._filled = True
        return getattr(self, name)

    def log_received(self) -> None:
        """Write the line that a worker's log has of it."""
        of = self._message.headers.get
        args, kwargs = of("argsrepr", ""), of("kwargsrepr", "")
        said = {"id": self.id, "name": self.name, "args": args, "kwargs": kwargs, "eta": None}
        celerys.logger.info(celery_trace.LOG_RECEIVED, said, extra={"data": said})

    def tell_received(self) -> None:
        """Send the event."""
        of = self._message.headers.get
        self.send_event(
            "task-received", name=self.name, args=of("argsrepr", ""), kwargs=of("kwargsrepr", ""),
            root_id=of("root_id"), parent_id=of("parent_id"), retries=of("retries", 0), eta=None, expires=None,
        )  # fmt: skip

    def execute_using_pool(self, pool: Any, **kwargs: Any) -> Any:
        """Run it in this pool, as soon as it can."""
        self.table.hand(self.token)
        task, message = self._task, self._message
        hard, soft = message.headers.get("timelimit") or (None, None)
        told = message.headers, message.properties, message.delivery_info, message.payload, self._hostname
        call = (run_named, (self._type, *told)) if isinstance(pool, ForkPool) else (run, (task, *told))
        result = pool.on_apply(
            *call, {},
            callback=self.on_success, error_callback=self.on_failure,
            accept_callback=self.on_accepted, timeout_callback=self.on_timeout,
            soft_timeout=soft or task.soft_time_limit, timeout=hard or task.time_limit, correlation_id=self.id,
        )  # fmt: skip
        self._apply_result = result and weakref.ref(result)
        return result

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The pool runs it now."""
        acks_late = self._task.acks_late
        self.table.begin(self.token, once=not acks_late)
        self.worker_pid, self.time_start = pid, time() - (monotonic() - time_accepted)
        state.requests[self.id] = self
        state.active_requests.add(self)
        state.total_count[self.name] += 1
        state.all_total_count[0] += 1
        if not acks_late:
            self.acknowledge()
        if self._eventer and listens(self._eventer, self._task):
            self.send_event("task-started")
        if self._terminate_on_ack is not None:
            self.terminate(*self._terminate_on_ack)

    def on_success(self, failed__retval__runtime: tuple[int, Any, Any], **kwargs: Any) -> None:
        """It has run."""
        failed, text, runtime = failed__retval__runtime
        if failed or self._remembered:
            super().on_success(failed__retval__runtime, **kwargs)
            return
        state.requests.pop(self.id, None)
        state.active_requests.discard(self)
        state.reserved_requests.discard(self)
        if self._task.acks_late:
            self.acknowledge()
        if self._eventer and listens(self._eventer, self._task):
            self.send_event("task-succeeded", result=text, runtime=runtime)


def run_named(name: str, *told: Any) -> tuple[int, Any, Any]:
    """Run a job in a process of the pool."""
    return run(tracing._localized[0][name], *told)


def run(task: Any, headers: Any, properties: Any, info: Any, body: Any, hostname: str) -> tuple[int, Any, Any]:
    """Run a job here and now; tell what comes of it as `fast_trace_task` does."""
    args, kwargs, embed = body
    request = {
        **headers,
        "properties": properties,
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "hostname": hostname,
        "delivery_info": {
            "exchange": info.get("exchange"),
            "routing_key": info.get("routing_key"),
            "priority": properties.get("priority"),
            "redelivered": info.get("redelivered", False),
        },
        "args": args, "kwargs": kwargs, "is_eager": False, **(embed or {}),
    }  # fmt: skip
    if request.get("headers") is None:
        request["headers"] = own_headers(headers)
    retval, told, runtime, text = task.__trace__(headers["id"], args, kwargs, request)
    return (1, retval, runtime) if told else (0, text, runtime)
