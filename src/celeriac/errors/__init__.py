"""Every error of the library: a sentence with a remedy, a status for HTTP, an exit code for the command line.

CeleriacError
├── ConfigError          a setting is missing, unknown or wrong: refused at start
├── StartError           a part of the local stack cannot start
├── BrokerError          Redis cannot be used
│   ├── BrokerUnavailable    it does not answer in time; nothing was queued
│   ├── BrokerUnfit          it answers, but would lose jobs (evicts, too old)
│   └── QueueFull            the queue is at its limit; nothing was queued
├── HistoryError         the SQL of the history cannot be used
│   ├── HistoryUnavailable   it does not answer; the queue goes on, and it catches up afterwards
│   │   └── HistoryDamaged       its file is no database any more
│   ├── HistoryUnfit         it answers, but its tables are missing, old, or another app's
│   └── HistoryOff           there is none: it is turned off
├── UnknownJob           no job was ever submitted under this id
├── ExpiredJob           the job's record is past its retention
├── UnknownTask          no such task is registered
├── UnknownFile          no file is kept under this id
├── ExpiredFile          the job is known, the file that it returned is kept no more
├── StorageFull          the disk has no room for the file
├── UnknownQueue         no message, worker or task names this queue
├── UnknownWorker        no worker of this name was heard of lately
├── WorkerSilent         a worker did not answer what it was told
├── BadRequest           the request cannot be understood
│   ├── TooLarge             its body is over the limit
│   └── WrongMediaType       its body is not JSON
├── InvalidArguments     the arguments do not fit the task's signature
├── UnknownToken         there is no API token of this id
├── Unauthorized         the caller did not say, or prove, who they are
├── Forbidden            the caller is known, but may not do this
├── RateLimited          the caller asks too often
│   └── TooManyJobs          the caller has too many unfinished jobs; nothing was queued
├── StreamsTaken         no more event streams can be held open here
├── Conflict             the job's state does not allow this
│   └── KeyInFlight          the first request of this idempotency key has no answer yet
├── KeyReused            the idempotency key was used for another request
└── JobCancelled         raised inside a running job that was asked to stop
"""

from __future__ import annotations

from celeriac.errors.base import CeleriacError as CeleriacError
from celeriac.errors.files import ExpiredFile as ExpiredFile
from celeriac.errors.files import StorageFull as StorageFull
from celeriac.errors.files import UnknownFile as UnknownFile


class ConfigError(CeleriacError):
    """A setting is missing, unknown or wrong."""

    exit_code = 78  # EX_CONFIG of sysexits.h
    title = "Invalid configuration"


class StartError(CeleriacError):
    """A part of the local stack cannot start."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h
    title = "Cannot start"


class BrokerError(CeleriacError):
    """Redis cannot be used."""

    status = 503
    retry_after = 5
    exit_code = 69
    title = "Broker error"


class BrokerUnavailable(BrokerError):
    """Redis does not answer in time; nothing was queued."""

    title = "Broker unavailable"


class BrokerUnfit(BrokerError):
    """Redis answers, but jobs could be lost on it."""

    title = "Broker unfit"


class QueueFull(BrokerError):
    """The queue holds as many messages as its limit allows; nothing was queued."""

    title = "Queue full"


class HistoryError(CeleriacError):
    """The SQL of the history cannot be used."""

    status = 503
    exit_code = 69
    title = "History error"


class HistoryUnavailable(HistoryError):
    """The database does not answer; the queue goes on, and the history catches up afterwards."""

    title = "History unavailable"
    retry_after = 5


class HistoryDamaged(HistoryUnavailable):
    """The file of the history is no database any more, or not all of it."""

    title = "History damaged"
    retry_after = 0


class HistoryUnfit(HistoryError):
    """The database answers, but its tables are missing, of another version, or another app's."""

    title = "History unfit"


class HistoryOff(HistoryError):
    """There is no history here to look into: it is turned off."""

    status = 404
    title = "No history"


class UnknownJob(CeleriacError):
    """No job was ever submitted under this id."""

    status = 404
    exit_code = 4
    title = "Unknown job"


class ExpiredJob(CeleriacError):
    """The job's record is past its retention."""

    status = 410
    exit_code = 4
    title = "Expired job"


class UnknownTask(CeleriacError):
    """No task of this name is registered."""

    status = 404
    exit_code = 2
    title = "Unknown task"


class UnknownQueue(CeleriacError):
    """No message, worker or task names this queue."""

    status = 404
    exit_code = 2
    title = "Unknown queue"


class UnknownWorker(CeleriacError):
    """No worker of this name was heard of lately."""

    status = 404
    exit_code = 2
    title = "Unknown worker"


class WorkerSilent(CeleriacError):
    """The worker did not answer in time; it may still do as it was told."""

    status = 504
    exit_code = 69
    title = "Worker silent"


class BadRequest(CeleriacError):
    """The request cannot be understood."""

    status = 400
    exit_code = 2
    title = "Bad request"


class TooLarge(BadRequest):
    """The request's body is over the limit."""

    status = 413
    title = "Body too large"


class WrongMediaType(BadRequest):
    """The request's body is not JSON."""

    status = 415
    title = "Unsupported media type"


class InvalidArguments(CeleriacError):
    """The arguments do not fit the task's signature; `errors` holds one entry per field."""

    status = 422
    exit_code = 2
    title = "Invalid arguments"

    def __init__(self, message: str, errors: list[dict[str, str]] | None = None, hint: str = "") -> None:
        super().__init__(message, hint)
        self.errors = errors or []


class Unauthorized(CeleriacError):
    """The caller did not say, or could not prove, who they are."""

    status = 401
    exit_code = 77  # EX_NOPERM of sysexits.h
    title = "Unauthorized"


class UnknownToken(CeleriacError):
    """There is no API token of this id."""

    status = 404
    exit_code = 4
    title = "Unknown token"


class Forbidden(CeleriacError):
    """The caller is known, but may not do this."""

    status = 403
    exit_code = 77
    title = "Forbidden"


class Conflict(CeleriacError):
    """The job's present state does not allow this."""

    status = 409
    exit_code = 5
    title = "Conflict"


class KeyInFlight(Conflict):
    """The first request of this idempotency key has no answer yet."""

    title = "Request in flight"
    retry_after = 1


class KeyReused(CeleriacError):
    """This idempotency key was used for another request."""

    status = 422
    exit_code = 2
    title = "Idempotency key reused"


class RateLimited(CeleriacError):
    """The caller asks more often than is allowed."""

    status = 429
    exit_code = 75  # EX_TEMPFAIL of sysexits.h
    title = "Too many requests"

    def __init__(self, message: str, hint: str = "", retry_after: int = 60) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class TooManyJobs(RateLimited):
    """The caller has as many unfinished jobs as one caller may have; nothing was queued."""

    title = "Too many jobs"

    def __init__(self, message: str, hint: str = "Wait until some have ended.", retry_after: int = 5) -> None:
        super().__init__(message, hint, retry_after)


class StreamsTaken(CeleriacError):
    """No more event streams can be held open by this server."""

    status = 503
    retry_after = 5
    exit_code = 75
    title = "Streams taken"


class JobCancelled(CeleriacError):
    """Raised inside a running job at its next `track()`, `progress()` or `check()` after it was cancelled."""

    status = 409
    exit_code = 6
    title = "Job cancelled"
