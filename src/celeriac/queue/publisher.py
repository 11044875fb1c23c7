"""Speaks kombu's envelope: record, message and wake-up of a submission in one move, or none of them.

1. The envelope is read once, its headers of ours are stripped.
2. The move refuses what comes too late for a producer that gave up waiting, and what finds its queue full.
3. Many messages travel in one pipeline, each of them its own move with its own answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kombu.exceptions import OperationalError
from kombu.utils.functional import retry_over_time
from kombu.utils.json import dumps as kombu_dumps

from celeriac.errors import BrokerUnavailable, QueueFull, TooManyJobs
from celeriac.queue import message as envelope
from celeriac.registry.value import dumps
from celeriac.store import bulk, clients, moves, record

ARGUMENTS_LIMIT = 4096  # bytes of a job's arguments that its record keeps
BEHALF_LIMIT = 200  # characters of who and which request submitted it
OWN_LIMIT = 2048  # characters of a URL
LINKS = ("parent_id", "root_id", "group")
REFUSALS = ("late", "full", "many", "same ")
INTERVALS = ("interval_start", "interval_step", "interval_max")
ON_TIME = 0.8  # of the producer's patience; the rest is the reply's way back


class SameJob(Exception):
    """Nothing was queued: the job `id` is the same, and waits or has come not long ago."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


@dataclass(slots=True)
class Publisher:
    """Queues messages, each with its record; `key_of` names the list that a message for a queue goes to."""

    client: Any
    space: moves.Space
    timeout: float
    limit: int
    caller_limit: int
    key_of: Callable[[str, Mapping[str, Any]], str]
    clock: float | None = None

    def put(self, queue: str, message: Mapping[str, Any]) -> None:
        """Record and queue a message, or neither.

        Raises OperationalError within the timeout, QueueFull, SameJob, and the client's ConnectionError as it is.
        """
        self._try(self.submission(queue, message))

    def publish(self, queue: str, message: Mapping[str, Any], retry: Mapping[str, Any], *, patient: bool) -> None:
        """Do the same, and again as kombu's policy `retry` says when the connection is lost ({} says: never).

        Whoever is `patient` tries again after a timeout, too. A lost connection is an OperationalError then.
        """
        submission = self.submission(queue, message)
        errors = (clients.ConnectionError, OperationalError) if patient else (clients.ConnectionError,)
        try:
            try:
                return self._try(submission)
            except errors:
                most = retry.get("max_retries", 3) if retry else 0
                if most == 0:
                    raise
            times = {name: retry[name] for name in INTERVALS if name in retry}
            retry_over_time(self._try, errors, (submission,), max_retries=most and most - 1, **times)
        except clients.ConnectionError as error:
            raise OperationalError(str(error)) from error

    def publish_many(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Exception | None]:
        """Queue each message or not; return for each None, or what `publish` would raise: QueueFull, SameJob …

        Raises OperationalError when Redis does not answer twice: then it is unknown which of them are queued.
        """
        submissions = [self.submission(queue, message) for queue, message in messages]
        for last in (False, True):
            deadline = self._deadline()
            for submission in submissions:
                submission.deadline = deadline
            try:
                replies = bulk.publish_many(self.client, self.space, submissions)
            except (clients.ConnectionError, clients.TimeoutError) as error:
                if last:
                    raise OperationalError(f"Redis does not answer: {error}") from error
            else:
                break
        return [self._refused(*pair) for pair in zip(submissions, replies, strict=True)]

    def _refused(self, submission: moves.Submission, outcome: str | Exception) -> Exception | None:
        if isinstance(outcome, clients.OutOfMemoryError):
            return BrokerUnavailable("Redis is full; nothing was queued.", "Raise its maxmemory.")
        if isinstance(outcome, Exception):
            return OperationalError(str(outcome))  # type: ignore[no-any-return]
        return self._refusal(submission, outcome) if outcome.startswith(REFUSALS) else None

    def _try(self, submission: moves.Submission) -> None:
        asked = time.monotonic()
        outcome = self._move(submission)
        if outcome == "late" and time.monotonic() - asked < self.timeout / 4:
            # no time went by: a clock was set, or this machine slept; the reply has told the time
            outcome = self._move(submission)
        if outcome.startswith(REFUSALS):
            raise self._refusal(submission, outcome)
        if submission.fence == moves.ANEW:
            record.verdict(submission.id, b"" if outcome == "gone" else outcome.encode())

    def _refusal(self, submission: moves.Submission, outcome: str) -> Exception:
        if outcome == "late":
            return OperationalError(  # type: ignore[no-any-return]
                f"Redis took longer than {self.timeout} s; nothing was queued."
            )
        if outcome == "full":
            return QueueFull(f"Queue {submission.queue} holds its limit of {self.limit} messages.")
        if outcome == "many":
            most = f"{submission.owner} has {submission.most} unfinished jobs"
            return TooManyJobs(f"{most}, as many as one caller may have.")
        return SameJob(outcome.removeprefix("same "))

    def _move(self, submission: moves.Submission) -> str:
        submission.deadline = self._deadline()
        try:
            outcome, now = moves.publish(self.client, self.space, submission)
        except clients.TimeoutError as error:
            raise OperationalError(f"Redis did not answer in {self.timeout} s; nothing was queued.") from error
        except clients.OutOfMemoryError as error:
            raise BrokerUnavailable("Redis is full; nothing was queued.", "Raise its maxmemory.") from error
        self.clock = now - time.monotonic() * 1000
        return outcome

    def submission(self, queue: str, message: Mapping[str, Any], *, answered: bool = True) -> moves.Submission:
        """Return what the move takes; headers of ours are gone from the message then.

        Where nobody reads the answer, nothing is the same as another.
        """
        headers, properties, body = message["headers"] or {}, message["properties"], message["body"]
        key, same, same_for = self.key_of(queue, message), "", 0.0
        fence, own = 0, dict[str, int | str]()
        if not envelope.OURS.isdisjoint(headers):
            fence, own = envelope.fence_of(headers), envelope.restored_of(headers)
            once, anew = envelope.is_once(headers), envelope.is_anew(headers)
            fence = moves.ONCE if once else moves.ANEW if anew else moves.RESTORED if own else fence
            same, same_for = envelope.same_of(headers, body) if answered else ("", 0.0)
        id, task = headers.get("id"), headers.get("task")
        raw = _dumps(message)
        if not (isinstance(id, str) and isinstance(task, str) and id):
            return moves.Submission(key, queue, raw)
        retries = headers.get("retries")
        text = body if properties.get("body_encoding") == "utf-8" else ""
        # a running job's own retry or follower is never refused: it was accepted together with that job
        accepted = (fence and fence != moves.ONCE) or headers.get("parent_id")
        cap, most = (0, 0) if accepted else (self.limit, self.caller_limit)
        fields = _fields(headers, properties, text) | own
        owner = fields.get("owner", "")
        return moves.Submission(
            key, queue, raw, id, task, retries if isinstance(retries, int) else 0, properties["delivery_tag"],
            envelope.delay_of(headers), 0, cap, fence, fields,
            envelope.followers(text), same, same_for, owner, most if owner else 0,
        )  # fmt: skip

    def _deadline(self) -> int:
        """Return the Redis time after which a publish must not happen any more: its producer has given up."""
        if self.clock is None:
            try:
                self.clock = clients.milliseconds(self.client) - time.monotonic() * 1000
            except clients.TimeoutError as error:  # kombu would ask it a second time, and its producer wait twice
                raise OperationalError(f"Redis did not answer in {self.timeout} s.") from error
        return int(time.monotonic() * 1000 + self.clock + self.timeout * 1000 * ON_TIME)


def _fields(headers: Mapping[str, Any], properties: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return what the record keeps of a message, beside what every record has."""
    fields: dict[str, Any] = {"args": envelope.arguments(text, ARGUMENTS_LIMIT)}
    id = headers["id"]
    for name in LINKS:
        value = headers.get(name)
        if value and value != id:
            fields[name] = value
    for header, name in envelope.KEPT.items():
        if isinstance(value := headers.get(header), str):
            fields[name] = value[: BEHALF_LIMIT if header in envelope.ON_BEHALF else OWN_LIMIT]
    if nesting := headers.get("replaced_task_nesting"):
        fields["nesting"] = int(nesting)
    if options := envelope.options_of(headers, properties):
        fields["options"] = options
    return fields


def _dumps(message: Mapping[str, Any]) -> str:
    try:
        return dumps(message)
    except TypeError:  # a header that only kombu's encoder knows
        text: str = kombu_dumps(message)
        return text
