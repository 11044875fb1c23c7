"""Speaks kombu's errors, for the rooms above that Celery expects to raise or catch them."""

from kombu.exceptions import EncodeError, LimitExceeded

__all__ = ["EncodeError", "LimitExceeded"]
