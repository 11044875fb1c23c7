"""Speaks Celery and logging: what a job prints, logs or warns becomes lines of its log.

1. `Attempt` surrounds the run of user code: it notes the start and makes the attempt the current one of this thread.
2. A handler beside Celery's own sees every log record, a stream before stdout every print; both pass it on.
3. Each line is JSON: `t` (epoch milliseconds), `l` (level), `m` (text): no text can forge another line.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Any

from celery import signals

from celeriac.worker.backend import lease_of
from celeriac.worker.process import process_of, writer_of
from celeriac.worker.running import Running

LINE_LIMIT = 2000  # characters of one line

#: The attempt that runs in this thread or greenlet.
current: ContextVar[Running | None] = ContextVar("current", default=None)


class Attempt:
    """Surrounds user code that runs as an attempt of the job, its only one if `once`."""

    __slots__ = ("_reset", "_running", "_writer", "app", "once", "request", "tracked")

    def __init__(self, app: Any, request: Any, tracked: bool, once: bool) -> None:
        self.app, self.request, self.tracked, self.once = app, request, tracked, once
        self._running: Running | None = None

    def __enter__(self) -> None:
        """Raises JobCancelled when it must not run."""
        request, token = self.request, lease_of(self.request)
        if not token:  # eager, or under a stock transport
            return
        self._writer = process_of(self.app).writer or writer_of(self.app)
        redelivered = bool((request.delivery_info or {}).get("redelivered"))
        self._running = self._writer.begin(token, request.hostname or "", self.tracked, redelivered, self.once)
        self._reset = current.set(self._running)

    def __exit__(self, *_: object) -> None:
        if self._running is None:
            return
        current.reset(self._reset)
        for level, text in self._running.unfinished.items():
            if text:  # printed without a newline at its end
                self._writer.say(self._running, _line(level, text))


class JobLines(logging.Handler):
    """Adds what is logged in a job to the job's lines."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app = app

    def emit(self, record: logging.LogRecord) -> None:
        running = current.get()
        if running is None:
            return
        try:
            text = record.getMessage()
            if record.exc_info:
                text += "\n" + logging.Formatter().formatException(record.exc_info)
        except Exception:  # noqa: BLE001  # whatever an argument's own __str__ raises; logging tells of it
            self.handleError(record)
            return
        writer_of(self.app).say(running, _line(record.levelname.lower(), text, record.created))


class JobPrints(io.TextIOBase):
    """Stands before stdout or stderr: whole lines that a job prints become its lines; everything passes through."""

    def __init__(self, app: Any, stream: Any, level: str) -> None:
        self.app, self.stream, self.level = app, stream, level

    def write(self, text: str) -> int:
        running = current.get()
        if running is not None:
            *lines, rest = (running.unfinished.get(self.level, "") + text).split("\n")
            running.unfinished[self.level] = rest[:LINE_LIMIT]
            for line in lines:
                writer_of(self.app).say(running, _line(self.level, line))
        return int(self.stream.write(text))

    def flush(self) -> None:
        self.stream.flush()

    def fileno(self) -> int:
        return int(self.stream.fileno())

    def isatty(self) -> bool:
        return bool(self.stream.isatty())

    @property
    def buffer(self) -> Any:
        """The stream's bytes, which pass by unseen."""
        return self.stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only in io.TextIOBase as well
        return str(self.stream.encoding)

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        errors: str | None = self.stream.errors
        return errors


def _line(level: str, text: str, at: float | None = None) -> str:
    return json.dumps({"t": int((at or time.time()) * 1000), "l": level, "m": text[:LINE_LIMIT]})


def install(app: Any) -> None:
    """Listen to every logger, stdout and stderr of this app's workers."""

    def stand_before(**_: Any) -> None:
        for name, level in (("stdout", "info"), ("stderr", "error")):
            stream = getattr(sys, name)
            if stream is None or isinstance(stream, JobPrints):
                continue
            if isinstance(stream, io.TextIOWrapper):  # into a file or pipe, too, a line is seen when it is printed
                stream.reconfigure(line_buffering=True)
            setattr(sys, name, JobPrints(app, stream, level))

    signals.worker_init.connect(stand_before, weak=False, dispatch_uid=f"celeriac-prints-{id(app)}")

    def listen(logger: logging.Logger, **_: Any) -> None:
        if not any(isinstance(handler, JobLines) and handler.app is app for handler in logger.handlers):
            logger.addHandler(JobLines(app))
        logging.captureWarnings(True)

    def listen_all_the_same(**_: Any) -> None:
        """Before the pool starts: whoever receives `setup_logging` sets up logging in Celery's place."""
        if signals.setup_logging.has_listeners():
            listen(logging.getLogger())

    signals.after_setup_logger.connect(listen, weak=False, dispatch_uid=f"celeriac-lines-{id(app)}")
    signals.after_setup_task_logger.connect(listen, weak=False, dispatch_uid=f"celeriac-task-lines-{id(app)}")
    own = f"celeriac-own-logging-{id(app)}"
    signals.celeryd_after_setup.connect(listen_all_the_same, weak=False, dispatch_uid=own)
