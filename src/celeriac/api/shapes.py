"""The shapes of what is sent and answered, for the document and for those who build clients. Pure.

What is answered is made by `actions.resource` and `present`; tests hold it against these.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from celeriac.actions.jobs import QUEUE_NAME
from celeriac.actions.waiting import Reason
from celeriac.api.file_shapes import ResultFile
from celeriac.auth.caller import Scope, Way
from celeriac.job import State

QueueName = Annotated[str, Field(pattern=f"^{QUEUE_NAME.pattern}$")]
Seconds = Annotated[float, Field(ge=0, le=316224000, allow_inf_nan=False)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Submission(_Sent):
    """A job to be queued."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["delay", "run_at"]}})

    task: str = Field(description="The task's name, as `GET /api/tasks` lists it.", max_length=200)
    arguments: dict[str, Any] = Field({}, description="Its arguments by name; its schema says which.")
    delay: Seconds | None = Field(None, description="Seconds from now until it may start.")
    run_at: datetime | None = Field(None, description="When it may start, with a time zone; not beside `delay`.")
    queue: QueueName | None = Field(None, description="Another queue than the task's own.")
    priority: int | None = Field(None, ge=0, le=9, description="0 is the most urgent, 9 the least.")
    callback_url: str | None = Field(None, max_length=2048, description="An https address that is told of its end.")


class Repetition(_Sent):
    """How a job is to run once more."""

    arguments: dict[str, Any] | None = Field(None, description="Other arguments, all of them; absent: as they were.")


class LinkWanted(_Sent):
    """A signed link to one job, for somebody without a token."""

    grant: Literal["watch", "cancel"] = Field("watch", description="Watch it, or watch and cancel it.")
    seconds: Annotated[float, Field(gt=0, le=31622400, allow_inf_nan=False)] = Field(
        604800.0, description="How long the link opens the job."
    )


class PoolSize(_Sent):
    """How many jobs a worker may run at once."""

    size: int = Field(ge=1, le=1000, description="Slots of its pool.")


class SignIn(_Sent):
    """Whoever signs in to the console."""

    token: str = Field(description="An API token.", max_length=200)


class Progress(BaseModel):
    """How far a job is; what it did not say is null."""

    current: Any
    total: Any
    percent: float | None
    message: Any


class JobError(BaseModel):
    """Why a job failed, or failed so far. What the exception said, and where, is for operators."""

    type: str
    message: str
    traceback: str | None = None


class Waiting(BaseModel):
    """Why a job does not run yet; what does not apply is absent. `estimate`: seconds until it starts, a guess."""

    reason: Reason
    sentence: str
    queue: str | None = None
    position: int | None = None
    ahead: int | None = None
    length: int | None = None
    estimate: float | None = None
    consumers: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    retry: int | None = None
    retries: int | None = None
    parent: str | None = None
    parent_state: State | None = None


class Attempt(BaseModel):
    """One run of a job that is over."""

    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str


class Job(BaseModel):
    """A job at one moment. A failed job is a good answer."""

    id: str
    task: str
    state: State
    done: bool
    queue: str
    arguments: dict[str, Any] | None = Field(description="Secrets are left out; null when too large to keep.")
    created_at: datetime | None
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    worker: str | None
    reason: str | None
    progress: Progress | None
    result: Any
    result_file: ResultFile | None = Field(description="What is at `links.result`; null when `result` is all there is.")
    error: JobError | None
    waiting: Waiting | None
    attempts: list[Attempt]
    parent_id: str | None = Field(description="The job that submitted it, or that must succeed before it.")
    root_id: str | None = Field(description="The job with which its chain, or what submitted it, began.")
    group_id: str | None = Field(description="The group or chord that it is a member of.")
    owner: str | None
    request_id: str | None
    links: dict[str, str] = Field(
        description="Where what belongs to it is; `result` only when it is a file, or too large to be here. "
        "Of a job that the history alone remembers these, `self` and `retry` alone."
    )


class Jobs(BaseModel):
    """A page of jobs, the newest first."""

    items: list[Job]
    next_page_token: str | None


class Line(BaseModel):
    """One line of a job's log."""

    seq: int
    at: datetime | None
    level: str
    text: str


class Log(BaseModel):
    """What a job printed and logged, the oldest first; `dropped` counts lines that were too many."""

    items: list[Line]
    dropped: int


class Link(BaseModel):
    """A signed link: whoever has it may do what it grants, without a token."""

    url: str
    key: str
    grant: Literal["watch", "cancel"]
    expires_at: datetime


class Task(BaseModel):
    """A task that can be run, and what it takes."""

    name: str
    summary: str
    description: str
    queue: str
    schema_: dict[str, Any] = Field(alias="schema", description="JSON Schema (2020-12) of its arguments.")
    links: dict[str, str]


class Tasks(BaseModel):
    """Every task there is."""

    items: list[Task]


class Queue(BaseModel):
    """A queue as it stands; `oldest` is how long its next job has been ready (s)."""

    name: str
    length: int
    in_flight: int
    delayed: int
    oldest: float | None
    consumers: list[str]
    paused: bool
    paused_since: datetime | None


class Queues(BaseModel):
    """Every queue there is."""

    items: list[Queue]


class Worker(BaseModel):
    """A worker heard of in the last minute."""

    name: str
    queues: list[str]
    pool: str
    concurrency: int
    host: str
    pid: int
    started: datetime | None
    seen: datetime
    alive: bool
    running: int
    total: int
    stopping: bool = Field(description="It takes no more jobs, and ends.")


class Workers(BaseModel):
    """Every worker heard of in the last minute."""

    items: list[Worker]


class Letter(BaseModel):
    """A dead letter: a job that was lost too often, or a message that nobody can read."""

    id: str
    at: datetime
    reason: str
    queue: str
    task: str | None
    bytes: int
    message: str | None = None


class Letters(BaseModel):
    """A page of dead letters, the newest first."""

    items: list[Letter]
    next_page_token: str | None


class Requeued(BaseModel):
    """What became of dead letters: ids queued again, and ids whose message nobody can read."""

    queued: list[str]
    refused: list[str]


class Purged(BaseModel):
    """How many dead letters were thrown away."""

    purged: int


class Session(BaseModel):
    """Who calls, how they proved it and what they may."""

    owner: str
    way: Way
    scopes: list[Scope]


class Check(BaseModel):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


class Health(BaseModel):
    """Whether this process can serve; a failed check that is only a warning does not count against it."""

    ready: bool
    checks: list[Check]
