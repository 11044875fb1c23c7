"""What a job's function becomes: Celery's task with our defaults, run in the Flask app context."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from celery import shared_task, signals
from celery.app.task import Task
from celery.exceptions import Ignore, OperationalError, Reject, Retry

from celeriac.errors import BadRequest, ConfigError, JobCancelled, UnknownTask
from celeriac.job import Move
from celeriac.registry import TaskSpec, describe
from celeriac.registry.body import parse, parse_object
from celeriac.registry.value import JSON
from celeriac.worker.backend import lease_of
from celeriac.worker.capture import Attempt
from celeriac.worker.file import files_of, holds_files, told
from celeriac.worker.many import Answer, Item, options_of, send_many
from celeriac.worker.process import writer_of
from celeriac.worker.progress import current_job
from celeriac.worker.requests import Requests
from celeriac.worker.routing import queue_of
from celeriac.worker.unique import seconds_of

if TYPE_CHECKING:
    from celeriac.worker.app import CeleryApp

logger = logging.getLogger(__name__)
LONGEST_PAUSE = 2.0  # seconds between two attempts to queue a retry

#: In a request: what came of the run already, (value, error); the call only repeats it (tracing.py).
RAN = "celeriac_ran"

P = ParamSpec("P")
R = TypeVar("R")

#: Celery's options of every job; `@job(…)` may give others.
DEFAULTS: dict[str, Any] = {
    "typing": True,
    "acks_late": True,
    "reject_on_worker_lost": True,
    "track_started": True,
    "max_retries": 3,
    "retry_backoff": True,
    "serializer": "json",
}


@overload
def job(fun: Callable[P, R], /) -> JobTask[P, R]: ...
@overload
def job(**options: Any) -> Callable[[Callable[P, R]], JobTask[P, R]]: ...
def job(fun: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a job: Celery's `shared_task` with our defaults; options pass through, as `queue="io"`.

    `unique=seconds`: while one waits, and for so long, the same arguments are the same job. `callback_url`: a webhook
    is sent there when one ends. The task object says
    `celeriac_job = True` and keeps the plain function as `celeriac_function`.
    """
    return functools.partial(_shared, options) if fun is None else _shared(options, fun)


def _shared(options: dict[str, Any], fun: Callable[..., Any]) -> Any:
    chosen = {**DEFAULTS, **options}
    if chosen["serializer"] != "json":
        raise ConfigError(f"{fun.__qualname__}: jobs travel as JSON alone.", "Leave `serializer` out.")
    chosen["dont_autoretry_for"] = (*chosen.get("dont_autoretry_for", ()), JobCancelled)
    marks = {
        "celeriac_job": True,
        "celeriac_function": staticmethod(fun),
        "celeriac_bound": bool(chosen.get("bind")),
        "celeriac_callback": chosen.pop("callback_url", None),
        "celeriac_unique": seconds_of(chosen.pop("unique", None), fun.__qualname__),
        "celeriac_queue": chosen.pop("queue", None),  # routed by `queue_of`: Celery drops the attribute in 6.0
    }
    share: Any = shared_task(**chosen, **marks)
    return share(fun)


class Replaced(Ignore):
    """The job goes on as another task."""


class JobTask(Task[P, R]):
    """Every task of the app, plain `shared_task` too: runs in the app context, can be cancelled as it runs.

    A job has its `spec` besides: what it takes, read from its own signature.
    """

    abstract = True
    Request = "celeriac.worker.request:Request"
    Strategy = "celeriac.worker.strategy:plain"
    celeriac_job = False
    notes_its_start = True
    spec: TaskSpec | None = None
    app: CeleryApp

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Describe a job and enter it into the app's registry; ConfigError refuses the worker's start."""
        cls.request_stack = cast(Any, Requests(cls.name))
        if cls.celeriac_job and cls.spec is None:
            cls.spec = app.jobs.add(_describe(cls))

    def arguments(self, given: bytes | Mapping[str, str]) -> dict[str, JSON]:
        """Return what was sent for the job, as `apply_async(kwargs=…)` takes it; raise what HTTP answers 4xx.

        `given` is a JSON body, or the words of a query or a form: a word that is JSON (`5`) is that value.
        """
        if self.spec is None:
            raise UnknownTask(f"{self.name} is not a job.", "Decorate it with @job.")
        named = parse_object(given) if isinstance(given, bytes) else {k: _word(v) for k, v in given.items()}
        return self.spec.bind(named)

    def submit_many(self, items: Iterable[Mapping[str, Any] | Sequence[Any]], **options: Any) -> list[Answer]:
        """Submit a job for each item, its arguments by name or by position, hundreds of them in a round trip.

        Return for each its id, or the error for which it was not queued: InvalidArguments, QueueFull, BrokerUnavailable
        … `options` are those of `apply_async`, the same for all.
        """
        given = (Item(kwargs=item) if isinstance(item, Mapping) else Item(args=tuple(item)) for item in items)
        return list(send_many(self.app, self.name, given, options_of(self) | options))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function: checked and in an app context for the worker, as a plain call for anyone else."""
        request = self.request
        if request.called_directly:
            return super().__call__(*args, **kwargs)
        value, wrong = request.__dict__.pop(RAN, None) or (self.perform(request, args, kwargs), None)
        if wrong is not None:
            raise wrong.with_traceback(wrong.__traceback__.tb_next)  # without the frame that caught it
        return value

    def perform(self, request: Any, args: Any, kwargs: Any) -> Any:
        """Run the function for this request, which is on top of the stack."""
        with self.app.flask.app_context():
            try:
                tracked = bool(self.track_started and not self.is_ignored(request))
                with Attempt(self.app, request, tracked, once=not self.acks_late):
                    if self.spec is not None:
                        args, kwargs = (), self.spec.load(kwargs, args)
                    return self._told(self.run(*args, **kwargs))
            except JobCancelled as error:
                self._end_as_cancelled(error)
                raise Ignore(str(error)) from error  # Celery: acknowledge, the state is stored already
            except BaseException as error:
                self._leave(error)
                raise

    def retry(self, *args: Any, **kwargs: Any) -> Any:
        """Ask for another try, as Celery's does. While Redis is away the job waits for it here: it has not failed."""
        pause = 0.1
        while True:
            try:
                return super().retry(*args, **kwargs)
            except Reject as error:
                reason = getattr(error, "reason", None)  # missing in the stubs
                if not isinstance(reason, OperationalError):
                    raise
                logger.warning("The next try of job %s is not queued yet: %s", self.request.id, reason)
            current_job.check()
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _told(self, result: Any) -> Any:
        """Return what the job returned, with a reference in the place of each File."""
        if not holds_files(result):
            return result
        owner = getattr(self.request, "celeriac_owner", None) or ""
        return told(result, files_of(self.app.settings), owner, str(self.request.id))

    def is_ignored(self, request: Any) -> bool:
        """Return whether nobody wants the result: as this submission says, else as the task does."""
        chosen = request.__dict__.get("ignore_result")  # None: sent by the task's name alone
        return bool(self.ignore_result if chosen is None else chosen)

    def _leave(self, error: BaseException) -> None:
        """See to the ends of which Celery tells our backend nothing, and to `sys.exit()`, which is a failure."""
        request, backend = self.request, cast(Any, self.backend)
        if request.is_eager or request.id is None:
            return
        if isinstance(error, Replaced):
            backend.note_end(request, Move.REPLACE)
        elif isinstance(error, Ignore):
            backend.mark_as_revoked(request.id, f"ignored: {error}".rstrip(": "), request=request)
        elif isinstance(error, Retry) and self.is_ignored(request) and not self.store_errors_even_if_ignored:
            backend.note_end(request, Move.RETRY)
        elif type(error) is SystemExit and not (isinstance(error.code, int) and error.code < 0):
            raise RuntimeError(f"The job called sys.exit({error.code!r}).") from error
        elif not isinstance(error, Exception) or isinstance(error, Reject):
            writer_of(self.app).leave(lease_of(request))

    def on_replace(self, sig: Any) -> Any:
        """Let other jobs do this one's work, the last of them under its id."""
        if self.request.is_eager:
            return super().on_replace(sig)
        sig.delay()
        raise Replaced("Replaced by new task")

    def _end_as_cancelled(self, error: JobCancelled) -> None:
        request = self.request
        if request.is_eager or request.id is None:
            return
        self.backend.mark_as_revoked(request.id, error.message, request=request)
        self.send_event("task-revoked", terminated=True, signum=None, expired=False)
        signals.task_revoked.send(sender=self, request=request, terminated=True, signum=None, expired=False)


def _describe(task: Any) -> TaskSpec:
    module_name = f"{task.__module__}.{task.celeriac_function.__name__}"
    return describe(
        task.celeriac_function,
        name=None if task.name == module_name else task.name,
        celery_name=task.name,
        queue=queue_of(task) or task.app.conf.task_default_queue,
        bound=task.celeriac_bound,
    )


def _word(text: str) -> JSON:
    try:
        return parse(text.encode())
    except BadRequest:
        return text
