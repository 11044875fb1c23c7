"""Speaks kombu's errors: what a submit raises when the broker did not take the message."""

from __future__ import annotations

from kombu.exceptions import LimitExceeded, OperationalError

#: No answer in time, or more submits at once than connections. Nothing was queued.
NOT_ACCEPTED: tuple[type[Exception], ...] = (OperationalError, LimitExceeded)
