"""Speaks kombu, alone in the house: Celery's Redis transport without its holes.

1. `transport` is what `redis://` means once `install()` was called.
2. `channel` publishes and fetches by the store's moves; `poller` and `qos` are kombu's, adapted.
3. `table` holds the process's deliveries and renews their leases on a `native` thread.
4. `message` reads the envelope.
"""

from celeriac.queue.transport import install, options

__all__ = ["install", "options"]
