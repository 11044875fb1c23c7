"""Speaks kombu's publish: record, message and wake-up of a submission in one move, or none of them.

1. kombu routes a message and calls `_put` for each of its queues.
2. The envelope is read once; the move refuses what comes too late for a producer that gave up waiting.
3. In a `Producer.batch()` the same moves travel in one pipeline, each of them atomic, and none is late.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from typing import Any

from kombu.exceptions import OperationalError
from kombu.utils.json import dumps as kombu_dumps

from celeriac.errors import BrokerUnavailable, QueueFull, TooManyJobs
from celeriac.queue import message as envelope
from celeriac.store import clients, moves, record

ARGUMENTS_LIMIT = 4096  # bytes of a job's arguments that its record keeps
BEHALF_LIMIT = 200  # characters of who and which request submitted it
OWN_LIMIT = 2048  # characters of a URL
LINKS = ("parent_id", "root_id", "group")
BEYOND: tuple[tuple[bytes, type[QueueFull | TooManyJobs], str], ...] = (
    (b"full", QueueFull, "their queues hold their limit"),
    (b"many", TooManyJobs, "their caller has as many unfinished jobs as is allowed"),
)
ON_TIME = 0.8  # of the producer's patience; the rest is the reply's way back


class SameJob(Exception):
    """Nothing was queued: the job `id` is the same, and waits or has come not long ago."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


class Publishing:
    """The producing half of a channel."""

    publish_timeout = 1.5
    queue_limit = 0
    caller_limit = 0
    global_keyprefix: str
    redis: Any
    space: moves.Space
    _clock: float | None = None
    _expires: dict[str, int]

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """Leave text as it is: base64 would cost a third more memory and hide the arguments."""
        if isinstance(body, str):
            return body, "utf-8"
        encoded: tuple[Any, str | None] = super().encode_body(body, encoding)  # type: ignore[misc]
        return encoded

    def _inplace_augment_message(self, message: Any, exchange: str, routing_key: str) -> None:
        tag = message["properties"].get("delivery_tag")
        super()._inplace_augment_message(message, exchange, routing_key)  # type: ignore[misc]
        if tag:  # kombu repeats a publish whose reply was lost: the same tag makes it one submission
            message["properties"]["delivery_tag"] = tag

    def _next_delivery_tag(self) -> str:
        return secrets.token_hex(8)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        """Record and queue a message, or neither. Raises OperationalError within `publish_timeout`, QueueFull."""
        batch = kwargs.pop("_publish_batch", None)
        if batch is not None:
            batch.add("execute_command", *moves.publish_words(self.space, self._submission(queue, message, 0)))
            return
        asked = time.monotonic()
        submission = self._submission(queue, message, self._deadline())
        outcome = self._publish(submission)
        if outcome == "late" and time.monotonic() - asked < self.publish_timeout / 4:
            # no time went by: a clock was set, or this machine slept; the reply has told the time
            outcome = self._publish(replace(submission, deadline=self._deadline()))
        if outcome == "late":
            raise OperationalError(f"Redis took longer than {self.publish_timeout} s; nothing was queued.")
        self._refuse(outcome, submission)
        self._touch(queue)

    def _refuse(self, outcome: str, asked: moves.Submission) -> None:
        if outcome == "full":
            raise QueueFull(f"Queue {asked.queue} holds its limit of {self.queue_limit} messages.")
        if outcome == "many":
            raise TooManyJobs(f"{asked.owner} has {asked.most} unfinished jobs, as many as one caller may have.")
        if outcome.startswith("same "):
            raise SameJob(outcome.removeprefix("same "))
        if asked.fence == moves.ANEW:
            record.verdict(asked.id, b"" if outcome == "gone" else outcome.encode())

    def _publish(self, submission: moves.Submission) -> str:
        try:
            outcome, now = moves.publish(self.redis, self.space, submission)
        except clients.TimeoutError as error:
            raise OperationalError(f"Redis did not answer in {self.publish_timeout} s; nothing was queued.") from error
        except clients.OutOfMemoryError as error:
            raise BrokerUnavailable("Redis is full; nothing was queued.", "Raise its maxmemory.") from error
        self._clock = now - time.monotonic() * 1000
        return outcome

    def _touch(self, queue: str) -> None:
        """Put off the end of a queue that expires (kombu's x-expires)."""
        if queue in self._expires:
            with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
                self._maybe_update_queues_expire(client, queue)  # type: ignore[attr-defined]

    def create_publish_batch(self, max_size: int) -> Any:
        """Return kombu's batch; its flush raises when a queue was full."""
        moves.load_publish(self.redis)
        batch = super().create_publish_batch(max_size)  # type: ignore[misc]
        batch.pipeline = _Checked(batch.pipeline)
        return batch

    def _submission(self, queue: str, message: Any, deadline: int) -> moves.Submission:
        headers = message.get("headers") or {}
        priority = self._get_message_priority(message, reverse=False)  # type: ignore[attr-defined]
        key = self.global_keyprefix + self._q_for_pri(queue, priority)  # type: ignore[attr-defined]
        fence, restored = envelope.fence_of(headers), envelope.restored_of(headers)
        once, anew = envelope.is_once(headers), envelope.is_anew(headers)
        same, same_for = envelope.same_of(headers, message["body"]) if deadline else ("", 0.0)  # a batch has no replies
        id, task = headers.get("id"), headers.get("task")
        raw = _dumps(message)
        if not (isinstance(id, str) and isinstance(task, str) and id):
            return moves.Submission(key, queue, raw)
        properties, retries = message["properties"], headers.get("retries")
        text = message["body"] if properties.get("body_encoding") == "utf-8" else ""
        fields: dict[str, Any] = {"args": envelope.arguments(text, ARGUMENTS_LIMIT)}
        for name in LINKS:
            value = headers.get(name)
            if value and value != id:
                fields[name] = value
        for header, name in (envelope.ON_BEHALF | envelope.ITS_OWN).items():
            if isinstance(value := headers.get(header), str):
                fields[name] = value[: BEHALF_LIMIT if header in envelope.ON_BEHALF else OWN_LIMIT]
        owner = fields.get("owner", "")
        if nesting := headers.get("replaced_task_nesting"):
            fields["nesting"] = int(nesting)
        if options := envelope.options_of(headers, properties):
            fields["options"] = options
        if restored:
            fence, fields = moves.RESTORED, fields | restored
        if once or anew:
            fence = moves.ONCE if once else moves.ANEW
        # a running job's own retry or follower is never refused: it was accepted together with that job
        accepted = (fence and not once) or headers.get("parent_id")
        cap, most = (0, 0) if accepted else (self.queue_limit, self.caller_limit)
        return moves.Submission(
            key, queue, raw, id, task, retries if isinstance(retries, int) else 0, properties["delivery_tag"],
            envelope.delay_of(headers), deadline, cap, fence, fields, envelope.followers(text), same, same_for,
            owner, most if owner else 0,
        )  # fmt: skip

    def _deadline(self) -> int:
        """Return the Redis time after which a publish must not happen any more: its producer has given up."""
        if self._clock is None:
            try:
                self._clock = clients.milliseconds(self.redis) - time.monotonic() * 1000
            except clients.TimeoutError as error:  # kombu would ask it a second time, and its producer wait twice
                raise OperationalError(f"Redis did not answer in {self.publish_timeout} s.") from error
        return int(time.monotonic() * 1000 + self._clock + self.publish_timeout * 1000 * ON_TIME)


class _Checked:
    """A pipeline whose refusals are errors: kombu's batch does not look at replies."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def execute(self) -> Any:
        replies = self._pipeline.execute()
        for word, error, why in BEYOND:
            refused = sum(1 for reply in replies if isinstance(reply, list) and reply and reply[0] == word)
            if refused:
                raise error(f"{refused} of {len(replies)} messages were refused: {why}.")
        return replies


def _dumps(message: Any) -> str:
    try:
        return json.dumps(message)
    except TypeError:  # a header that only kombu's encoder knows
        text: str = kombu_dumps(message)
        return text
