"""Speaks Redis: the journal of what happened to all jobs, read in order by whoever copies it into the history.

1. `look` replies what comes after an entry, and whether that entry is still there: if not, something is missing.
2. `details` and `scan` read records as they are; `unknown` says which jobs Redis has forgotten.
3. `hold` lets one process at a time have a part; `birth` names the memory of this Redis, until it loses it.

An entry's number is its stream id, milliseconds and counter, as one integer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from celeriac.store.connection import reachable
from celeriac.store.moves import Space, ms
from celeriac.store.replies import Client
from celeriac.store.scripts import script

SHIFT = 20  # bits of an entry's number that count within its millisecond
MOVING = (
    *("state", "worker", "reason", "due", "started_at", "finished_at"),
    *("attempt", "retries", "losses", "seq", "error", "attempts"),
)
FIELDS = (*MOVING, "task", "queue", "owner", "created_at", "args", "options", "parent_id", "root_id", "group")
READ = 200  # records of one move: Redis does nothing else for a millisecond
SAID = 86400.0  # seconds for which what was said of the copying stays: after that there is no history
TAIL = 60.0  # seconds that copied entries stay, for those who follow the journal


class Entry(NamedTuple):
    """One transition: `number` orders all of them, `seq` those of one job; `at` is Redis milliseconds."""

    number: int
    job: str
    state: str
    seq: int
    attempt: int | None
    at: int
    note: str


@dataclass(frozen=True, slots=True)
class Look:
    """What there is after an entry. `anchored`: that entry is there; `last` is the newest of all, 0 without any;
    `trimmed`: entries were thrown away before the oldest that is left."""

    birth: str
    anchored: bool
    entries: Sequence[Entry]
    last: int
    trimmed: bool


class Detail(NamedTuple):
    """A record and, of a job that succeeded, its result as Celery stores it; `message` only where the record has no
    arguments. Without a state it is a job that Redis does not know (any more)."""

    fields: Mapping[str, str]
    meta: bytes = b""
    message: bytes = b""


def look(client: Client, space: Space, after: int, count: int) -> Look:
    """Return at most `count` entries after this number, all read at one moment."""
    key = f"{space.keys}journal"
    start = _stream_id(after) if after else "-"
    pipe = client.pipeline(transaction=True)
    pipe.get(f"{space.keys}birth")
    pipe.xrange(key, start, "+", count + 1)
    pipe.xrevrange(key, "+", "-", 1)
    with reachable():
        birth, raw, newest = pipe.execute()
        trimmed = bool(raw) and not after and _is_trimmed(client, key)
    anchored = not after or bool(raw and _number(raw[0][0]) == after)
    entries = [_entry(id, fields) for id, fields in (raw[1:] if after and anchored else raw)]
    last = _number(newest[0][0]) if newest else 0
    return Look((birth or b"").decode(), anchored, entries[:count], last, trimmed)


def tail(client: Client, space: Space, count: int) -> dict[str, str]:
    """Return the jobs of the newest entries that are not copied yet, each with what happened to it last."""
    key = f"{space.keys}journal"
    with reachable():
        after = int(client.hget(f"{space.keys}history", "copied") or 0)
        raw = client.xrevrange(key, "+", f"({_stream_id(after)}" if after else "-", count)
    found: dict[str, str] = {}
    for id, fields in raw:
        entry = _entry(id, fields)
        found.setdefault(entry.job, entry.state)
    return found


def details(
    client: Client, space: Space, ids: Sequence[str], limit: int, names: Sequence[str] = FIELDS
) -> dict[str, Detail]:
    """Return these fields of the jobs' records (`state` is the first of them), and results of at most `limit` bytes."""
    found: dict[str, Detail] = {}
    for at in range(0, len(ids), READ):
        part = ids[at : at + READ]
        with reachable():
            rows = script("read")(client, *space.head(), limit, len(names), *names, *part)
        for id, (*values, meta) in zip(part, rows, strict=True):
            pairs = zip(names, values, strict=True)
            found[id] = Detail({name: value.decode(errors="replace") for name, value in pairs if value}, meta or b"")
    if "args" in names:
        lacking = [id for id, detail in found.items() if detail.fields and "args" not in detail.fields]
        found |= {id: found[id]._replace(message=raw) for id, raw in _bodies(client, space, lacking).items()}
    return found


def copied(client: Client, space: Space, number: int, now: int, ids: Sequence[str]) -> None:
    """Note that everything up to this entry, and the messages of these jobs, are in the history.

    The journal keeps the entry itself, and what is younger than `TAIL`.
    """
    keep = min(number, (now - ms(TAIL)) << SHIFT)
    with reachable():
        client.xtrim(f"{space.keys}journal", minid=_stream_id(keep), approximate=True)
    settled(client, space, ids)


def waiting_messages(client: Client, space: Space) -> list[str]:
    """Return the jobs whose messages wait to be copied."""
    with reachable():
        return [id.decode(errors="replace") for id in client.hkeys(f"{space.keys}bodies")]


def settled(client: Client, space: Space, ids: Sequence[str]) -> None:
    """Let go of messages that wait to be copied."""
    if ids:
        with reachable():
            script("copied")(client, *space.head(), *ids)


def scan(client: Client, space: Space, cursor: int, count: int = 500) -> tuple[int, list[str]]:
    """Return the next cursor (0 at the end) and some ids of jobs that have a record."""
    start = f"{space.keys}job:"
    with reachable():
        cursor, keys = client.scan(cursor, match=f"{_literal(start)}*", count=count)
    return int(cursor), [key.decode(errors="replace")[len(start) :] for key in keys]


def unknown(client: Client, space: Space, ids: Sequence[str]) -> dict[str, str]:
    """Return those of the jobs that have no record, each with its tombstone ('' for one that Redis has forgotten)."""
    pipe = client.pipeline(transaction=False)
    for id in ids:
        pipe.exists(f"{space.keys}job:{id}").get(f"{space.keys}gone:{id}")
    with reachable():
        replies = pipe.execute()
    pairs = zip(ids, replies[::2], replies[1::2], strict=True)
    return {id: (gone or b"").decode() for id, exists, gone in pairs if not exists}


def hold(client: Client, space: Space, part: str, token: str, seconds: float) -> bool:
    """Take a part, or keep it; return whether it is ours now. 0 seconds give it back."""
    with reachable():
        return bool(script("hold")(client, *space.head(), part, token, ms(seconds)))


def bear(client: Client, space: Space) -> str:
    """Name the memory of this Redis, unless it has a name; return it."""
    with reachable():
        client.set(f"{space.keys}birth", secrets.token_hex(8), nx=True)
        name: bytes = client.get(f"{space.keys}birth")
    return name.decode()


def note(client: Client, space: Space, fields: Mapping[str, str | int]) -> None:
    """Say how the copying goes, for every process to read."""
    with reachable():
        pipe = client.pipeline(transaction=False)
        pipe.hset(f"{space.keys}history", mapping=dict(fields)).pexpire(f"{space.keys}history", ms(SAID)).execute()


def noted(client: Client, space: Space) -> dict[str, str]:
    """Return what was said of the copying, with `holder` ('' nobody copies), `now` and, when something waits to be
    copied, `waiting` (its time). Times are Redis milliseconds."""
    with reachable():
        pipe = client.pipeline(transaction=False)
        pipe.hgetall(f"{space.keys}history").get(f"{space.keys}hold:history").time()
        fields, holder, (seconds, micros) = pipe.execute()
        said = _texts(fields)
        after = int(said.get("copied", 0))
        rest = client.xrange(f"{space.keys}journal", f"({_stream_id(after)}" if after else "-", "+", 1)
    said |= {"holder": (holder or b"").decode(), "now": str(int(seconds) * 1000 + int(micros) // 1000)}
    return said | ({"waiting": str(_number(rest[0][0]) >> SHIFT)} if rest else {})


def _bodies(client: Client, space: Space, ids: Sequence[str]) -> dict[str, bytes]:
    if not ids:
        return {}
    with reachable():
        return {id: raw for id, raw in zip(ids, client.hmget(f"{space.keys}bodies", ids), strict=True) if raw}


def _is_trimmed(client: Client, key: str) -> bool:
    about: dict[str, Any] = client.xinfo_stream(key)
    return int(about.get("entries-added", 0)) > int(about["length"])


def _entry(id: bytes, f: Mapping[bytes, bytes]) -> Entry:
    attempt = int(f[b"a"]) if f.get(b"a") else None
    job, state, note = f[b"j"].decode(errors="replace"), f[b"s"].decode(), f.get(b"r", b"").decode(errors="replace")
    return Entry(_number(id), job, state, int(f[b"n"]), attempt, int(f[b"t"]), note)


def _number(id: bytes) -> int:
    milliseconds, _, counter = id.partition(b"-")
    return (int(milliseconds) << SHIFT) + int(counter)


def _stream_id(number: int) -> str:
    return f"{max(0, number) >> SHIFT}-{max(0, number) & ((1 << SHIFT) - 1)}"


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in fields.items()}


def _literal(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
