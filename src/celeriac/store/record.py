"""Speaks Redis: the record of a job, read back whole, and the moves on a job that has ended.

Times are aware datetimes in UTC; what cannot be read (written by another version) is left out, never raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from celeriac.errors import Conflict, ExpiredJob, UnknownJob
from celeriac.job import CELERY_STATES, LIVE, TERMINAL, State
from celeriac.store.connection import reachable
from celeriac.store.moves import Space
from celeriac.store.replies import Client, load, load_object, moment
from celeriac.store.scripts import Arg, script

INTERNAL = ("started", "former", "lines", "trail", "cut", "counted")
STATES = {state.value: state for state in State}
PAGE = 200  # log lines per round trip


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job that is over: `outcome` is a state, `retry`, or why the run ended without a result."""

    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a job's log; `seq` orders it among all events of the job."""

    seq: int
    at: datetime | None
    level: str
    text: str


@dataclass(slots=True)  # not frozen: one is made for each look, at a third of the cost
class Record:
    """A job at one moment. `seq` grows with everything that happens to it.

    `args` and `kwargs` are None when they were too large to keep; `due` is when it is or was ready; `progress`
    holds what was reported (`current`, `total`, `status`), `error` `type`, `message` and `traceback`. `lease_left` is
    the seconds for which its delivery was still leased when it was read (negative: overdue), None when nobody had it.
    """

    id: str
    state: State
    task: str
    queue: str
    seq: int
    attempt: int
    retries: int
    losses: int
    fence: int
    created_at: datetime | None
    due: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str
    reason: str
    cancel: str
    pos: int | None
    args: list[Any] | None
    kwargs: dict[str, Any] | None
    progress: dict[str, Any] | None
    progress_seq: int
    result: Any
    error: dict[str, Any] | None
    attempts: tuple[Attempt, ...]
    dropped_lines: int
    parent: str
    parent_id: str
    root_id: str
    group: str
    submitted: bool
    extra: Mapping[str, str] = field(default_factory=dict)
    lease_left: float | None = None

    @property
    def done(self) -> bool:
        return self.state in TERMINAL

    @property
    def celery_state(self) -> str:
        """Celery's word, as the article's /status shows it; a running job's own (PROGRESS) when it reported one."""
        if self.state is State.RUNNING and self.progress:
            return str(self.progress.get("state") or "PROGRESS")
        return CELERY_STATES[self.state]

    @property
    def token(self) -> str:
        """The name of its present delivery."""
        return f"{self.id}:{self.fence}"


@dataclass(frozen=True, slots=True)
class Again:
    """The message with which a job that ended runs again; `key` is the list it goes to."""

    queue: str
    key: str
    raw: str
    task: str
    retries: int
    tag: str
    reason: str
    fields: Mapping[str, Arg] = field(default_factory=dict)


def read(client: Client, space: Space, id: str) -> Record:
    """Return the job's record with its result; raise UnknownJob (404) or ExpiredJob (410)."""
    with reachable():
        flat, meta, left, gone = script("look")(client, *space.head(), id)
    found = _record(id, dict(zip(flat[::2], flat[1::2], strict=True)), meta, left)
    if found is None:
        raise _missing(id, gone)
    return found


def read_many(client: Client, space: Space, ids: Iterable[str]) -> list[Record | None]:
    """Return the records of these jobs, without results; None for those there are none of."""
    wanted = list(ids)
    pipe = client.pipeline(transaction=False)
    for id in wanted:
        pipe.hgetall(f"{space.keys}job:{id}")
    with reachable():
        return [_record(id, fields, None) for id, fields in zip(wanted, pipe.execute(), strict=True)]


def from_fields(id: str, fields: Mapping[str, str], result: str | None) -> Record | None:
    """Read a record from its fields as they were stored elsewhere, with its result (JSON); None for no record."""
    kept = {name.encode(): value.encode(errors="replace") for name, value in fields.items()}
    return _record(id, kept, b'{"result":%s}' % result.encode() if result else None)


def exists(client: Client, space: Space, id: str) -> None:
    """Raise UnknownJob or ExpiredJob unless there is a record."""
    pipe = client.pipeline(transaction=False)
    pipe.exists(f"{space.keys}job:{id}").get(f"{space.keys}gone:{id}")
    with reachable():
        found, gone = pipe.execute()
    if not found:
        raise _missing(id, gone)


def log(client: Client, space: Space, id: str, after_seq: int = 0) -> list[Line]:
    """Return the lines of the job's log after `after_seq`, the oldest first."""
    key, end = f"{space.keys}log:{id}", -1
    lines: list[Line] = []
    while True:  # from the end: whoever follows a log has read most of it
        with reachable():
            page = [read_line(raw) for raw in client.lrange(key, end - PAGE + 1, end)]
        lines = [line for line in page if line.seq > after_seq] + lines
        if len(page) < PAGE or page[0].seq <= after_seq:
            return lines
        end -= PAGE


def kept_message(client: Client, space: Space, id: str) -> tuple[str, str, bytes] | None:
    """Return (queue, list key, raw message) of a job that failed, was cancelled or lost; None when not kept."""
    pipe = client.pipeline(transaction=False)
    pipe.get(f"{space.keys}kept:{id}").hget(f"{space.keys}dead:messages", id)
    with reachable():
        kept, dead = pipe.execute()
    value: bytes | None = kept or (dead and dead.partition(b"\n")[2])
    if not value:
        return None
    queue, key, raw = value.split(b"\n", 2)
    return queue.decode(), key.decode(), raw


def resubmit(client: Client, space: Space, id: str, again: Again) -> None:
    """Run a job that ended once more, with its history kept. UnknownJob, or Conflict when it has not ended."""
    with reachable():
        verdict(id, script("requeue")(client, *space.head(), *requeue_args(id, again, letter=False)))


def revive(client: Client, space: Space, id: str, reason: str) -> bool:
    """Let a job wait again that was cancelled while it was ready; False when its message has left the queue."""
    with reachable():
        return bool(script("revive")(client, *space.head(), id, reason))


def delete(client: Client, space: Space, id: str) -> None:
    """Forget a job that ended: record, log, result. UnknownJob, ExpiredJob, or Conflict when it has not ended."""
    with reachable():
        reply: bytes = script("delete")(client, *space.head(), id, 0)
    if not reply:
        exists(client, space, id)
    verdict(id, reply)


def forget(client: Client, space: Space, id: str) -> None:
    """Tell the history to forget a job of which there is no record. Conflict when it has run again meanwhile."""
    with reachable():
        verdict(id, script("delete")(client, *space.head(), id, 1))


def unbury(client: Client, space: Space, id: str) -> bool:
    """Let a job be submitted once more whose record is past its retention; False for one that was deleted."""
    with reachable():
        if client.get(f"{space.keys}gone:{id}") == b"deleted":
            return False
        client.delete(f"{space.keys}gone:{id}")
    return True


def requeue_args(id: str, again: Again, letter: bool) -> tuple[Arg, ...]:
    """Return the arguments of the requeue move."""
    fields = [word for pair in again.fields.items() for word in pair]
    head = (id, again.key, again.queue, again.raw, again.task, again.retries, again.tag, again.reason)
    return (*head, int(letter), len(fields), *fields)


def verdict(id: str, reply: bytes) -> None:
    """Raise what the reply of a move on an ended job says."""
    if not reply:
        raise _missing(id, None)
    if reply.startswith(b"!"):
        raise Conflict(f"Job {id} is {reply[1:].decode()}: it has not ended.", "Cancel it, or wait for its end.")


def _missing(id: str, gone: bytes | None) -> UnknownJob | ExpiredJob:
    shown = id[:100]
    if not gone:
        return UnknownJob(f"No job has the id {shown!r}.", "Use the id of the answer that submitted it.")
    if gone == b"deleted":
        return ExpiredJob(f"Job {shown} was deleted.")
    return ExpiredJob(f"Job {shown} ended, and its record is past its retention.")


def _record(id: str, fields: Mapping[bytes, bytes], meta: bytes | None, left: bytes = b"") -> Record | None:
    f = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    state = STATES.get(f.pop("state", ""))
    if state is None:
        return None
    sequence, _, progress = f.pop("progress", "").partition(" ")
    args, kwargs = _arguments(f.pop("args", ""))
    return Record(
        id=id, state=state, task=f.pop("task", ""), queue=f.pop("queue", ""), seq=_int(f, "seq"),
        attempt=_int(f, "attempt"), retries=_int(f, "retries"), losses=_int(f, "losses"), fence=_int(f, "fence"),
        created_at=moment(f.pop("created_at", "")), due=moment(f.pop("due", "")),
        started_at=moment(f.pop("started_at", "")), finished_at=moment(f.pop("finished_at", "")),
        worker=f.pop("worker", ""), reason=f.pop("reason", ""), cancel=f.pop("cancel", ""),
        pos=int(f.pop("pos")) if "pos" in f else None, args=args, kwargs=kwargs,
        progress=load_object(progress), progress_seq=int(sequence or 0),
        result=_result(meta) if state is State.SUCCEEDED else None,
        error=_error(state, load_object(f.pop("error", ""))), attempts=_attempts(f.pop("attempts", "")),
        dropped_lines=_int(f, "dropped"), parent=f.pop("parent", ""), parent_id=f.pop("parent_id", ""),
        root_id=f.pop("root_id", ""), group=f.pop("group", ""), submitted=bool(f.pop("tag", "")),
        extra={name: value for name, value in f.items() if name not in INTERNAL},
        lease_left=int(left) / 1000 if left else None,
    )  # fmt: skip


def _int(fields: dict[str, str], name: str) -> int:
    return int(fields.pop(name, 0) or 0)


def _arguments(text: str) -> tuple[list[Any] | None, dict[str, Any] | None]:
    value = load(text)
    if not isinstance(value, list) or len(value) < 2:
        return None, None
    args, kwargs = value[:2]
    return (args, kwargs) if isinstance(args, list) and isinstance(kwargs, dict) else (None, None)


def _result(meta: bytes | None) -> Any:
    return (load_object(meta) or {}).get("result")


def _error(state: State, error: dict[str, Any] | None) -> dict[str, Any] | None:
    if error is None and state is State.LOST:
        return {"type": "WorkerLostError", "message": "Its worker was lost too often, or could not run it."}
    return error if state in (State.FAILED, State.LOST) or state in LIVE else None


def _attempts(text: str) -> tuple[Attempt, ...]:
    rows: list[Sequence[str]] = [line.rsplit("|", 3) for line in text.splitlines()]
    return tuple(Attempt(row[0], moment(row[1]), moment(row[2]), row[3]) for row in rows if len(row) == 4)


def read_line(raw: bytes) -> Line:
    """Return a line as the log keeps it."""
    sequence, _, text = raw.decode(errors="replace").partition(" ")
    said = load_object(text) or {"m": text}
    return Line(int(sequence), moment(said.get("t")), str(said.get("l") or ""), str(said.get("m") or ""))
