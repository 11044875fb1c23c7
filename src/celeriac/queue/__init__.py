"""Speaks kombu, alone in the house: Celery's Redis transport without its holes.

1. `transport` is what `redis://` means once `install()` was called.
2. `publisher` queues a message by the store's move, for an app's submissions and for what kombu itself sends.
3. `channel` publishes and fetches by the store's moves; `poller` and `qos` are kombu's, adapted.
4. `table` holds the process's deliveries and renews their leases on a `native` thread.
5. `message` makes and reads the envelope.
"""

from celeriac.queue.transport import install, options, publisher

__all__ = ["install", "options", "publisher"]
