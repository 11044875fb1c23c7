"""A call to another service: tried again with growing pauses while it is away, and charged once however often."""

import json
import random
from http.client import HTTPException
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from celery import Task
from flask import current_app
from pydantic import Field

from celeriac import current_job, job

LONGEST_PAUSE = 300.0


class Away(Exception):
    """The service cannot answer now: worth another try."""


class Declined(Exception):
    """The service has answered, and its answer is no."""


@job(bind=True, queue="io", max_retries=8)
def charge(self: "Task[Any, Any]", order: str, cents: Annotated[int, Field(gt=0)]) -> dict[str, Any]:
    """Charge an order; return the receipt of the payment service."""
    headers = {
        "Content-Type": "application/json",
        # the same for every attempt: a service that has charged, but whose answer was lost, does not charge again
        "Idempotency-Key": current_job.idempotency_key,
    }
    body = json.dumps({"order": order, "cents": cents}).encode()
    try:
        with urlopen(Request(current_app.config["PAYMENTS_URL"], body, headers), timeout=10) as answer:
            receipt: dict[str, Any] = json.load(answer)
            return receipt
    except HTTPError as error:
        if error.code < 500 and error.code != 429:
            raise Declined(f"The payment service answered {error.code} for order {order}.") from error
        raise self.retry(exc=Away(str(error)), countdown=_pause(self, error.headers.get("Retry-After"))) from error
    except (OSError, HTTPException) as error:
        raise self.retry(exc=Away(str(error)), countdown=_pause(self)) from error


def _pause(task: "Task[Any, Any]", asked: str | None = None) -> float:
    """Return seconds: twice as many after each try, shortened at random, and no fewer than the service asked for."""
    longest = min(LONGEST_PAUSE, 2.0**task.request.retries)
    least = float(asked) if asked and asked.isdigit() else 0.0
    return max(least, longest * random.uniform(0.5, 1.0))
