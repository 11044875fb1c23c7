"""Takes many jobs of one task in with one request: each has an answer of its own. Speaks Flask."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from celeriac import actions
from celeriac.api import shapes
from celeriac.api.bodies import fit, idempotency_key, json_object
from celeriac.api.contract import Table
from celeriac.api.intake import HELD, SUBMITTING
from celeriac.api.once import Told, once
from celeriac.api.parts import context, parts
from celeriac.auth.caller import Scope
from celeriac.errors import BrokerError, CeleriacError, InvalidArguments, RateLimited, UnknownTask
from celeriac.queue.message import ONCE_HEADER
from celeriac.registry.openapi import Answer, Route
from celeriac.registry.problem import Problem, problem_of

table = Table("tasks")
MOST = 10_000
SHOWN = 20  # faults of a batch that is refused as a whole
Arguments = dict[str, Any]


class Batch(BaseModel):
    """Many jobs of one task."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"not": {"required": ["delay", "run_at"]}})

    items: Annotated[list[Arguments], Field(min_length=1, max_length=MOST, description="Each job's arguments by name.")]
    delay: shapes.Seconds | None = Field(None, description="Seconds from now until they may start.")
    run_at: datetime | None = Field(None, description="When they may start, with a time zone; not beside `delay`.")
    queue: shapes.QueueName | None = Field(None, description="Another queue than the task's own.")
    priority: int | None = Field(None, ge=0, le=9, description="0 is the most urgent, 9 the least.")


class Item(BaseModel):
    """What became of one item: the id of its job, or why it was not queued."""

    id: str | None = None
    error: Problem | None = None


class Accepted(BaseModel):
    """One answer per item, in their order."""

    items: list[Item]
    accepted: int = Field(description="How many are queued; the others are not.")


@table.route(
    Route(
        "/api/tasks/{task}:batch", "POST", "Run the task many times", scope=Scope.SUBMIT, request=Batch,
        description="One answer per item, in their order; each job is queued, or not, on its own. Repeated with the "
        "same Idempotency-Key, what was queued is not queued again. When none can be queued, the answer is the error.",
        parameters=SUBMITTING[:1], answers=(Answer(202, "What is accepted is kept, and runs.", Accepted),),
        errors=(UnknownTask, *HELD),
    )
)  # fmt: skip
def run_many(task: str) -> Response:
    """Queue a job of this task for each item."""
    context().jobs.find(task)
    payload = json_object(most=parts().settings.batch_limit)
    batch = fit(Batch, payload)
    return once(payload, lambda id, _: _queue(task, id, batch)).response()


def _queue(task: str, id: str, batch: Batch) -> Told:
    """Queue them under ids that follow from one, so that a repetition finds them."""
    space, keyed = uuid.UUID(id), bool(idempotency_key())
    answers = actions.submit_many(
        context(),
        task,
        batch.items,
        delay=batch.delay,
        run_at=batch.run_at,
        queue=batch.queue,
        priority=batch.priority,
        ids=[str(uuid.uuid5(space, str(i))) for i in range(len(batch.items))] if keyed else None,
        headers={ONCE_HEADER: True} if keyed else None,
    )
    errors = [(i, answer) for i, answer in enumerate(answers) if isinstance(answer, CeleriacError)]
    if len(errors) == len(answers):
        raise _refused(errors)
    items = [_item(answer) for answer in answers]
    again = any(isinstance(error, BrokerError | RateLimited) for _, error in errors)
    return Told(202, {"items": items, "accepted": len(answers) - len(errors)}, whole=not again)


def _refused(errors: list[tuple[int, CeleriacError]]) -> CeleriacError:
    """Return what is said where nothing was queued: what Redis says, else what is wrong with the items."""
    wrong = [(i, error) for i, error in errors if isinstance(error, InvalidArguments)]
    if len(wrong) < len(errors):
        return next(error for _, error in errors if not isinstance(error, InvalidArguments))
    faults = [
        {"pointer": f"/items/{i}{fault['pointer']}", "detail": fault["detail"]}
        for i, error in wrong[:SHOWN]
        for fault in error.errors or [{"pointer": "", "detail": error.message}]
    ]
    return InvalidArguments("No item fits; nothing was queued.", faults[:SHOWN])


def _item(answer: str | CeleriacError) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"id": answer}
    return {"error": problem_of(answer).model_dump(exclude_defaults=True)}
