"""Speaks Celery's tracer: runs a plain job that ends well by a short way; Celery's own tracer does all the rest.

1. What is known before user code to ask for more goes to Celery's tracer whole: a listener of a signal, a hook of the
   task or the loader, a link, a chain, a chord, another backend, a tracer that somebody wrapped.
2. Otherwise the job runs here, with what Celery's tracer does around it (celery/app/trace.py `trace_task`).
3. What does not end well, or is followed by others by then, is told by Celery's tracer all the same: it calls the task,
   which only repeats what came of the run (`JobTask.__call__`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from types import CodeType
from typing import Any

from celery import _state, signals
from celery.app import trace as celery_trace
from celery.app.task import Context
from celery.loaders.base import BaseLoader

from celeriac.queue.message import LEASE_HEADER
from celeriac.worker.backend import RecordMixin
from celeriac.worker.shown import shown
from celeriac.worker.task import RAN, JobTask

logger = logging.getLogger(__name__)

Trace = Callable[..., Any]
celerys: Any = celery_trace  # the stubs lack half of these
stack: Any = _state._task_stack  # type: ignore[attr-defined]
#: The code of Celery's own tracer is among these.
OWN = [code for code in celerys.build_tracer.__code__.co_consts if isinstance(code, CodeType)]
HOOKS = ("before_start", "on_success", "after_return")


def install(app: Any) -> None:
    """Let this app's pool processes run plain jobs the short way; other pools have their consumer's tracers."""

    def surround(**_: Any) -> None:
        for task in app.tasks.values():
            task.__trace__ = traced(app, task, task.__trace__)

    signals.worker_process_init.connect(surround, weak=False, dispatch_uid=f"celeriac-tracing-{id(app)}")


def traced(app: Any, task: Any, usual: Trace | None) -> Trace | None:
    """Return the tracer of a task, `usual` where that is more than this can be (`Task.__trace__`)."""
    if usual is None or not _may_be_plain(app, task, usual):
        return usual
    backend, push, pop = task.backend, task.request_stack.push, task.request_stack.pop
    logged = celerys.logger.isEnabledFor(logging.INFO)

    def trace(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        if _asks_more(request):
            return usual(uuid, args, kwargs, request)
        start, context = monotonic(), _context(request, args, kwargs)
        value = wrong = None
        stack.push(task)
        push(context)
        try:
            try:
                value = task.perform(context, args, kwargs)
            except BaseException as error:  # noqa: BLE001  # Celery's tracer raises it again, and tells of it
                wrong = error
            if wrong is None and not (context.callbacks or context.chain or context.chord):
                backend.mark_as_done(uuid, value, context, not task.is_ignored(context))
                runtime, text = monotonic() - start, shown(value, task.resultrepr_maxsize)
                if logged:
                    _log(task, context, runtime, text)
                return value, None, runtime, text
        except Exception as error:  # noqa: BLE001  # Celery's tracer meets it, too, and tells of it
            logger.debug("The result of job %s could not be told at once: %r", uuid, error)
        finally:
            stack.pop()
            pop()
        try:
            return usual(uuid, args, kwargs, {**vars(context), RAN: (value, wrong)})
        finally:
            del wrong  # it knows this frame

    return trace


def _may_be_plain(app: Any, task: Any, usual: Any) -> bool:
    """Whether nothing that stands around this task's runs asks for Celery's tracer."""
    loader = type(app.loader)
    return (
        getattr(usual, "__code__", None) in OWN
        and type(task).__call__ is JobTask.__call__
        and not any(celerys.task_has_custom(task, hook) for hook in HOOKS)
        and loader.on_task_init is BaseLoader.on_task_init
        and loader.on_process_cleanup is BaseLoader.on_process_cleanup
        and isinstance(task.backend, RecordMixin)
        and not app.conf.worker_deduplicate_successful_tasks
    )


def _asks_more(request: Any) -> bool:
    return bool(
        not request
        or not request.get(LEASE_HEADER)
        or request.get("callbacks") or request.get("chain") or request.get("chord")
        or signals.task_prerun.receivers or signals.task_postrun.receivers or signals.task_success.receivers
    )  # fmt: skip


def _context(request: dict[str, Any], args: Any, kwargs: Any) -> Context:
    """Return `Task.request`, as Celery makes it where it need not look for headers."""
    if request.get("headers") is None:
        return Context(request, args=args, kwargs=kwargs, called_directly=False)
    context = Context.__new__(Context)
    told = vars(context)
    told.update(request, args=args, kwargs=kwargs, called_directly=False)
    limits = told.get("timelimit")
    if limits:
        told["time_limit"], told["soft_time_limit"] = limits
    return context


def _log(task: Any, context: Any, runtime: float, text: str) -> None:
    """Write the line that a worker's log has of a success."""
    said = {
        "id": context.id, "name": context.shadow or task.name, "return_value": text, "runtime": runtime,
        "args": context.get("argsrepr") or celerys.safe_repr(context.args),
        "kwargs": context.get("kwargsrepr") or celerys.safe_repr(context.kwargs),
    }  # fmt: skip
    celerys.logger.info(celerys.LOG_SUCCESS, said, extra={"data": said})
