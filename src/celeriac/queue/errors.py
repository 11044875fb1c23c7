"""Speaks kombu's errors, for the rooms above that Celery expects to raise or catch them."""

from kombu.exceptions import DecodeError, EncodeError, LimitExceeded

__all__ = ["DecodeError", "EncodeError", "LimitExceeded"]
