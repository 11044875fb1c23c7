"""Speaks Redis: the journal of what happened to all jobs, read in order by whoever copies it into the history.

1. `look` replies what comes after an entry, and whether that entry is still there: if not, something is missing.
2. `details` and `scan` read records as they are; `unknown` says which jobs Redis has forgotten.
3. `hold` lets one process at a time have a part; `birth` names the memory of this Redis, until it loses it.

An entry's number is its stream id, milliseconds and counter, as one integer.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from celeriac.job import State
from celeriac.store.connection import reachable
from celeriac.store.moves import Space, ms
from celeriac.store.replies import Client
from celeriac.store.scripts import script

SHIFT = 20  # bits of an entry's number that count within its millisecond
STEADY = (
    *("state", "task", "queue", "owner", "created_at", "due", "retries"),
    *("args", "options", "parent_id", "root_id", "group"),
)
FIELDS = (*STEADY, *("worker", "reason", "started_at", "finished_at", "attempt", "losses", "seq", "error", "attempts"))
ARGS = STEADY.index("args")
READ = 200  # records of one move: Redis does nothing else for a millisecond
SAID = 86400.0  # seconds for which what was said of the copying stays: after that there is no history
TAIL = 60.0  # seconds that copied entries stay, for those who follow the journal
DELETED = "deleted"  # what an entry tells, beside the states
KNOWN = frozenset((*State, DELETED))


class Entry(NamedTuple):
    """One transition: `number` orders all of them, `seq` those of one job; `at` is Redis milliseconds.

    `told` is what a start, a plain success or a submission left in the record, "" where only the record tells it.
    """

    number: int
    job: str
    state: str
    seq: int
    attempt: int | None
    at: int
    note: str
    told: str = ""

    def tells(self) -> list[str]:
        """Return worker, start (Redis ms), attempt and Celery's result ('' none) of an entry that is `told`."""
        return self.told.split("\n", 3)

    def submission(self) -> Detail | None:
        """Return the `STEADY` values of a job's record as its submission, which this entry may tell, has left them;
        none with a NUL, which SQL's text cannot hold."""
        if self.seq != 1 or not self.told or "\x00" in self.told:
            return None
        values = [self.state, *self.told.split("\x1f")]
        return Detail(values) if len(values) == len(STEADY) else None


@dataclass(frozen=True, slots=True)
class Look:
    """What there is after an entry. `anchored`: that entry is there; `last` is the newest of all, 0 without any;
    `trimmed`: entries were thrown away before the oldest that is left; `reached` is the last that was looked at, 0
    without any, `whole` says that as many were as asked for; `unread` are those that make no sense to this release."""

    birth: str
    anchored: bool
    entries: Sequence[Entry]
    last: int
    trimmed: bool
    reached: int
    whole: bool
    unread: Sequence[int]


class Detail(NamedTuple):
    """A record, its values in the order of `FIELDS` or `STEADY` (none: "", None, false), and, of a job that succeeded,
    its result as Celery stores it; `message` only where the record has no arguments. Without a state, the first value,
    it is a job that Redis does not know (any more)."""

    values: Sequence[str | None]
    meta: str = ""
    message: bytes = b""

    @classmethod
    def of(cls, fields: Mapping[str, str], meta: str = "") -> Detail:
        """Return what a record with these fields would be read as."""
        return cls([fields.get(name) for name in FIELDS], meta)


def look(client: Client, space: Space, after: int, count: int) -> Look:
    """Return at most `count` entries after this number, all read at one moment."""
    key = f"{space.keys}journal"
    start = stream_id(after) if after else "-"
    asked = [
        ("GET", f"{space.keys}birth"),
        ("XRANGE", key, start, "+", "COUNT", count + 1),
        ("XREVRANGE", key, "+", "-", "COUNT", 1),
    ]
    with reachable():
        birth, raw, newest = client.together(asked)
        trimmed = bool(raw) and not after and _is_trimmed(client, key)
    anchored = not after or bool(raw and _number(raw[0][0]) == after)
    some = (raw[1:] if after and anchored else raw)[:count]
    entries, unread = _entries(some)
    last, reached = (_number(rows[-1][0]) if rows else 0 for rows in (newest, some))
    return Look((birth or b"").decode(), anchored, entries, last, trimmed, reached, len(some) == count, unread)


def tail(client: Client, space: Space, count: int) -> dict[str, str]:
    """Return the jobs of the newest entries that are not copied yet, each with what happened to it last."""
    key = f"{space.keys}journal"
    with reachable():
        after = int(client.hget(f"{space.keys}history", "copied") or 0)
        asked = ("XREVRANGE", key, "+", f"({stream_id(after)}" if after else "-", "COUNT", count)
        (raw,) = client.together([asked])
    found: dict[str, str] = {}
    for entry in _entries(raw)[0]:
        found.setdefault(entry.job, entry.state)
    return found


def details(
    client: Client, space: Space, ids: Sequence[str], limit: int, names: Sequence[str] = FIELDS
) -> dict[str, Detail]:
    """Return these fields of the records, `STEADY` or all, and results of at most `limit` bytes (0 none)."""
    found: dict[str, Detail] = {}
    for at in range(0, len(ids), READ):
        part = ids[at : at + READ]
        with reachable():
            text = script("read")(client, *space.head(), limit, len(names), *names, *part)
        for id, values in zip(part, json.loads(text.decode(errors="replace")), strict=True):
            found[id] = Detail(values, values.pop() or "")
    lacking = [id for id, detail in found.items() if detail.values[0] and not detail.values[ARGS]]
    for id, raw in _bodies(client, space, lacking).items():
        found[id] = found[id]._replace(message=raw)
    return found


def copied(client: Client, space: Space, number: int, now: int, ids: Sequence[str]) -> None:
    """Note that everything up to this entry, and the messages of these jobs, are in the history.

    The journal keeps the entry itself, and what is younger than `TAIL`.
    """
    keep = min(number, (now - ms(TAIL)) << SHIFT)
    with reachable():
        client.xtrim(f"{space.keys}journal", minid=stream_id(keep), approximate=True)
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
        rest = client.xrange(f"{space.keys}journal", f"({stream_id(after)}" if after else "-", "+", 1)
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


def _entries(raw: Sequence[tuple[bytes, Sequence[bytes]]]) -> tuple[list[Entry], list[int]]:
    """Return the entries, and the numbers of those that are damaged, or that another release wrote."""
    try:
        return [_entry(id, words) for id, words in raw], []
    except (ValueError, IndexError):  # seldom: then one by one
        pass
    found, unread = [], []
    for id, words in raw:
        try:
            found.append(_entry(id, words))
        except (ValueError, IndexError):
            unread.append(_number(id))
    return found, unread


def _entry(id: bytes, words: Sequence[bytes]) -> Entry:
    """Read an entry: the values behind the names that `journal` of `lib.lua` writes, in its order.

    Raises ValueError or IndexError where it is none.
    """
    head, _, told = words[3].decode("utf-8", "replace").partition("\n")
    state, seq, attempt, at = head.split(" ")
    if state not in KNOWN:
        raise ValueError(state)
    note = words[5].decode("utf-8", "replace") if len(words) > 4 else ""
    values = (
        _number(id), words[1].decode("utf-8", "replace"), state, int(seq), int(attempt) if attempt else None,
        int(at), note, told,
    )  # fmt: skip
    return tuple.__new__(Entry, values)  # at half the cost of its own


def _number(id: bytes) -> int:
    milliseconds, _, counter = id.partition(b"-")
    return (int(milliseconds) << SHIFT) + int(counter)


def stream_id(number: int) -> str:
    return f"{max(0, number) >> SHIFT}-{max(0, number) & ((1 << SHIFT) - 1)}"


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in fields.items()}


def _literal(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
