"""Speaks SQL: what can be stored is stored, though something beside it cannot.

A batch is tried whole. Where what it holds makes no sense (damaged, or of another release), it is halved until what
is at fault stands alone: that is told, and left out. A database that is silent or full is another matter, and raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: What reading or storing something that makes no sense raises.
UNFIT = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, DataError, IntegrityError)


def store_fitting(
    connection: Connection, items: Sequence[T], store: Callable[[Sequence[T]], list[str]], job: Callable[[T], str]
) -> tuple[list[str], list[T]]:
    """Store what can be, in the transaction of this connection; return what `store` did, and what is left out.

    `job` names the job of an item for the log, which its values do not enter.
    """
    if not items:
        return [], []
    try:
        with connection.begin_nested():
            return store(items), []
    except UNFIT as error:
        if len(items) == 1:
            logger.error("What happened to job %s makes no sense (%s).", job(items[0]), type(error).__name__)
            return [], [items[0]]
    half = len(items) // 2
    first, unfit = store_fitting(connection, items[:half], store, job)
    second, more = store_fitting(connection, items[half:], store, job)
    return first + second, unfit + more
