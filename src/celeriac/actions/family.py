"""The jobs that belong together: what a job comes from, what came of it, its chain, group or chord."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from celeriac.actions.context import Context
from celeriac.store import record
from celeriac.store.kin import kin
from celeriac.store.record import Record


class Role(StrEnum):
    """What a job is to another one."""

    ROOT = "root"  # with it everything began
    PARENT = "parent"  # it submitted the other, or must succeed before it
    BEFORE = "before"  # a member of the chord whose results the other gets
    MEMBER = "member"  # of the same group or chord
    NEXT = "next"  # it follows in the chain
    BODY = "body"  # it gets the results of the chord
    CHILD = "child"  # the other submitted it


@dataclass(frozen=True, slots=True)
class Relative:
    """A job, and what it is to the one that was asked about."""

    role: Role
    job: Record


def family(context: Context, job: Record) -> list[Relative]:
    """Return the relatives of a job that are still known, each once, in the order of their roles. BrokerUnavailable."""
    client, space = context.client, context.space
    parent_id = job.parent_id or job.parent
    [parent] = record.read_many(client, space, [parent_id]) if parent_id else [None]
    waits_for = parent.group if parent and job.id in ids_of(parent, "body") else ""
    children, members, before = kin(client, space, job.id, job.group, waits_for)
    roles: dict[str, Role] = {}
    for role, ids in (
        (Role.PARENT, [parent_id]),
        (Role.ROOT, [job.root_id]),
        (Role.BEFORE, before if waits_for else []),
        (Role.NEXT, ids_of(job, "chain")),
        (Role.BODY, ids_of(job, "body")),  # which Celery counts to the group as well
        (Role.MEMBER, members if job.group else []),
        (Role.CHILD, children),
    ):
        _give(roles, role, ids, job.id)
    known = record.read_many(client, space, roles)
    found = [Relative(roles[one.id], one) for one in known if one is not None]
    return sorted(found, key=lambda one: list(Role).index(one.role))


def ids_of(job: Record, what: str) -> list[str]:
    """Return the ids of what its message brought: `chain` in the order of its run, or `body`."""
    ids = job.extra.get(what, "").split()
    return ids[::-1] if what == "chain" else ids  # Celery takes the next of a chain from its end


def _give(roles: dict[str, Role], role: Role, ids: Iterable[str], own: str) -> None:
    for id in ids:
        if id and id != own:
            roles.setdefault(id, role)
