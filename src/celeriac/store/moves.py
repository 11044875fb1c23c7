"""Speaks Redis: thin functions over the Lua moves. Times are seconds here and milliseconds on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from celeriac.job import Move
from celeriac.store.clients import ConnectionError
from celeriac.store.scripts import Arg, Client, Script, script

RESTORED, ONCE, ANEW = -1, -2, -3
RESULT_PREFIX = "celery-task-meta-"  # Celery's own key of a result (celery/backends/base.py)


@dataclass(frozen=True, slots=True)
class Space:
    """Where and by which rules a move works: key prefix, lease and retention (seconds), losses allowed."""

    prefix: str = ""
    lease: float = 20.0
    max_losses: int = 3
    retention: float = 86400.0

    @property
    def keys(self) -> str:
        return f"{self.prefix}celeriac:"

    def head(self) -> tuple[Arg, ...]:
        """Return the arguments with which every move opens."""
        return (self.keys, self.prefix + RESULT_PREFIX, ms(self.retention), ms(self.lease), self.max_losses)


@dataclass(slots=True)
class Submission:
    """One message on its way in; `delay` in seconds, `fence` names the attempt that publishes its own retry.

    A fence of RESTORED: a job that Redis forgot, queued only where nothing is known of it; of ONCE: the same, for
    whoever may be repeating themselves; of ANEW: one that ended and runs again. Of submissions with the same `same` one
    alone is queued while it waits, and for `same_for` seconds. `owner` may have `most` unfinished jobs (0: no limit).
    """

    key: str
    queue: str
    raw: str
    id: str = ""
    task: str = ""
    retries: int = 0
    tag: str = ""
    delay: float | None = None
    deadline: int = 0
    cap: int = 0
    fence: int = 0
    fields: Mapping[str, Arg] = field(default_factory=dict)
    followers: Sequence[tuple[str, str, str]] = ()
    same: str = ""
    same_for: float = 0.0
    owner: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message that a fetch put in flight."""

    raw: bytes
    token: str
    queue: str
    losses: int
    delayed: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """The reply of a fetch: `now` and `next_due` are Redis milliseconds, `more` says that messages were left."""

    now: int
    more: bool
    next_due: int
    buried: list[tuple[str, bytes]]
    dropped: list[bytes]
    deliveries: list[Delivery]


@dataclass(frozen=True, slots=True)
class Tended:
    """The reply of a heartbeat: what was buried, what is no longer ours (`ended`: it had ended), what is to stop."""

    now: int
    buried: list[tuple[str, bytes]]
    gone: list[str]
    cancelled: list[str]
    ended: list[str]


def ms(seconds: float) -> int:
    return int(seconds * 1000)


def publish_args(space: Space, s: Submission) -> tuple[Arg, ...]:
    """Return the arguments of the publish move."""
    fields = [word for pair in s.fields.items() for word in pair]
    followers = [word for follower in s.followers for word in follower]
    delay = -1 if s.delay is None else ms(s.delay) + 1  # both clocks are cut to milliseconds: never before its time
    head = (s.key, s.queue, s.raw, s.id, s.task, s.retries, s.tag, delay, s.deadline, s.cap, s.fence)
    tail = (s.same, ms(s.same_for), s.owner, s.most)
    return (*space.head(), *head, len(fields), *fields, len(followers), *followers, *tail)


def publish(client: Client, space: Space, submission: Submission) -> tuple[str, int]:
    """Record and queue one message, or neither; return (outcome, Redis milliseconds). `same <id>`: that job is it."""
    outcome, now = script("publish")(client, *publish_args(space, submission))
    return outcome.decode(), int(now)


def load_publish(client: Client) -> None:
    """Make the server know the publish move, for pipelines that cannot fall back."""
    client.execute_command("SCRIPT", "LOAD", script("publish").source)


def publish_words(space: Space, submission: Submission) -> tuple[Arg, ...]:
    """Return the whole command of a publish, for a pipeline."""
    return script("publish").command(*publish_args(space, submission))


def fetch_script() -> Script:
    """Return the fetch move itself, for the poller that drives its connection by hand."""
    return script("fetch")


def fetch_args(
    space: Space, n: int, acks: Sequence[str], lists: Iterable[tuple[str, str, bool]], hand: str = "", free: int = 0
) -> tuple[Arg, ...]:
    """Return the arguments of a fetch of n messages from (list key, queue, acknowledged) in order.

    One that finds nothing, and has free slots, may be handed the next message at its `hand`.
    """
    words = [(key, queue, int(acknowledged)) for key, queue, acknowledged in lists]
    asked = (n, len(acks), *acks, len(words), *(word for triple in words for word in triple))
    return (*space.head(), *asked, hand, free)


def read_fetch(reply: Sequence[Any]) -> Fetched:
    """Read the reply of a fetch."""
    now, more, next_due, buried, dropped, flat = reply
    deliveries = [
        Delivery(raw, token.decode(), queue.decode(), int(losses), bool(delayed))
        for raw, token, queue, losses, delayed in zip(*[iter(flat)] * 5, strict=True)
    ]
    return Fetched(int(now), bool(more), int(float(next_due)), _buried(buried), list(dropped), deliveries)


def fetch(
    client: Client,
    space: Space,
    n: int,
    lists: Iterable[tuple[str, str, bool]],
    acks: Sequence[str] = (),
    hand: str = "",
    free: int = 0,
) -> Fetched:
    """Put up to n messages in flight and return them; acks ride along."""
    return read_fetch(fetch_script()(client, *fetch_args(space, n, acks, lists, hand, free)))


def hand_key(space: Space, hand: str) -> str:
    """Return the list at which a consumer waits for what is handed to it."""
    return f"{space.keys}hand:{hand}"


def read_hand(given: bytes) -> Delivery:
    """Read what a publish handed over."""
    head, _, rest = given.partition(b"\n")
    size, _, queue = head.partition(b" ")
    return Delivery(rest[int(size) :], rest[: int(size)].decode(), queue.decode(), 0, False)


def let_go(client: Client, space: Space, hand: str, token: str) -> None:
    """Wait at this hand no longer; what came there after the delivery `token`, and was not read, goes back.

    Asked once more where the connection died while it was idle: whoever lets go has often just lost another one.
    """
    words = (*space.head(), hand, token)
    try:
        script("let_go")(client, *words)
    except ConnectionError:
        script("let_go")(client, *words)


def tend(
    client: Client, space: Space, tokens: Sequence[str], worker: str = "", info: str = "", forget: float = 60.0
) -> Tended:
    """Renew the leases of these deliveries, promote and reclaim; register the worker when it has a name."""
    reply = script("tend")(client, *space.head(), worker, info, ms(forget), *tokens)
    now, buried, gone, cancelled, ended = reply
    return Tended(int(now), _buried(buried), texts(gone), texts(cancelled), texts(ended))


def settle(client: Client, space: Space, tokens: Sequence[str]) -> int:
    """Acknowledge deliveries; return how many were still in flight."""
    return int(script("settle")(client, *space.head(), *tokens))


def put_back(
    client: Client, space: Space, tokens: Sequence[str], why: str = "", lost: bool = False, tail: bool = False
) -> list[tuple[str, bytes]]:
    """Return deliveries to the head (or tail) of their queues; `lost` counts a started one. Reply what was buried."""
    place = "lost" if lost else "tail" if tail else "head"
    return _buried(script("put_back")(client, *space.head(), why, place, *tokens))


def defer(client: Client, space: Space, token: str, delay: float) -> bool:
    """Let a delivery that came too early wait; return False when it was no longer ours."""
    return bool(script("defer")(client, *space.head(), token, ms(delay)))


def bury(client: Client, space: Space, token: str, reason: str, close: bool) -> bool:
    """Dead-letter a delivery that cannot run; `close` ends its record too."""
    return bool(script("bury")(client, *space.head(), token, reason, int(close)))


def start(client: Client, space: Space, token: str, worker: str, ago: float, meta: str, once: bool = False) -> str:
    """Record the start of an attempt, never to be repeated if `once`; return `ok`, `late` or `cancelled`."""
    reply: bytes = script("start")(client, *space.head(), token, worker, ms(ago), meta, int(once))
    return reply.decode()


@dataclass(frozen=True, slots=True)
class Report:
    """What one job said since its last report: latest progress and Celery meta (JSON), log lines, lines dropped."""

    token: str
    progress: str = ""
    meta: str = ""
    lines: Sequence[str] = ()
    dropped: int = 0


def report(client: Client, space: Space, cap: int, reports: Sequence[Report]) -> list[str]:
    """Write the reports of several jobs at once; return the tokens of those that were asked to stop."""
    return texts(script("report")(client, *space.head(), cap, *report_words(reports)))


@dataclass(slots=True)
class Finish:
    """The end of one attempt, as `finish.lua` takes it; `ago` is how long ago it started, in seconds."""

    id: str
    move: Move
    fence: int = 0
    meta: str = ""
    ago: float = 0.0
    worker: str = ""
    error: str = ""
    reason: str = ""
    acknowledge: bool = True
    store: bool = True

    @property
    def token(self) -> str:
        return f"{self.id}:{self.fence}"

    def words(self) -> tuple[Arg, ...]:
        tail = (self.error, self.reason, int(self.acknowledge), int(self.store))
        return (self.id, self.fence, self.move, self.meta, ms(self.ago), self.worker, *tail)


def finish(client: Client, space: Space, end: Finish) -> str:
    """Record the end of an attempt; return `ok`, `done` (already ended) or `late` (not this attempt's job)."""
    return texts(script("finish")(client, *space.head(), *end.words()))[0]


def report_words(reports: Iterable[Report]) -> list[Arg]:
    """Return reports as `report.lua` takes them."""
    words: list[Arg] = []
    for r in reports:
        words += [r.token, r.progress, r.meta, r.dropped, len(r.lines), *r.lines]
    return words


def cancel(client: Client, space: Space, id: str, reason: str, meta: str) -> str:
    """Ask a job to stop; return its state now, '' when unknown, '!state' when it had ended otherwise."""
    reply: bytes = script("cancel")(client, *space.head(), id, reason, meta)
    return reply.decode()


def texts(values: Iterable[bytes]) -> list[str]:
    """Return the words of a reply."""
    return [value.decode() for value in values]


def _buried(flat: Sequence[bytes]) -> list[tuple[str, bytes]]:
    return [(id.decode(), raw) for id, raw in zip(*[iter(flat)] * 2, strict=True)]
