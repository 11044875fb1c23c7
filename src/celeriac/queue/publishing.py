"""Speaks kombu's publish, for what kombu sends itself: a message goes to its queue by the publisher's move.

1. kombu routes a message and calls `_put` for each of its queues.
2. In a `Producer.batch()` the same moves travel in one pipeline, each of them atomic, and none is late.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from celeriac.errors import QueueFull, TooManyJobs
from celeriac.queue.publisher import Publisher
from celeriac.store import moves
from celeriac.store.wire import Wire

BEYOND: tuple[tuple[bytes, type[QueueFull | TooManyJobs], str], ...] = (
    (b"full", QueueFull, "their queues hold their limit"),
    (b"many", TooManyJobs, "their caller has as many unfinished jobs as is allowed"),
)


class Publishing:
    """The producing half of a channel."""

    publish_timeout = 1.5
    queue_limit = 0
    caller_limit = 0
    global_keyprefix: str
    redis: Any
    space: moves.Space
    _publisher: Publisher | None = None
    _expires: dict[str, int]

    @property
    def publisher(self) -> Publisher:
        """What puts this channel's messages into Redis."""
        if self._publisher is None or self._publisher.client is not self.redis:
            self._publisher = self._publisher_over(self.redis)
        return self._publisher

    def own_publisher(self) -> Publisher:
        """Return one with connections of its own, to where this channel's go: it outlives the channel."""
        return self._publisher_over(Wire(self.redis.connection_pool))

    def _publisher_over(self, client: Any) -> Publisher:
        return Publisher(client, self.space, self.publish_timeout, self.queue_limit, self.caller_limit, self._key_of)

    def _key_of(self, queue: str, message: Mapping[str, Any]) -> str:
        priority = self._get_message_priority(message, reverse=False)  # type: ignore[attr-defined]
        key: str = self.global_keyprefix + self._q_for_pri(queue, priority)  # type: ignore[attr-defined]
        return key

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
            submission = self.publisher.submission(queue, message, answered=False)
            batch.add("execute_command", *moves.publish_words(self.space, submission))
            return
        self.publisher.put(queue, message)
        self._touch(queue)

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
