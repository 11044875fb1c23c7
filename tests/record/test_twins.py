"""A job by our strategy and tracer and its twin by Celery's own: what anybody can see of them is the same."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import chain, chord, group

from tests.article.running import Program
from tests.record.conftest import Start
from tests.record.desk import Desk, eventually

HOOKED = ("retry", "exit", "long", "ignore", "reject", "fail")
#: A job, its arguments, the options of its submission; T is its twin of the name `add`.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "returns": ("add", {"x": 1, "y": 2}, {}),
    "sees": ("seen", {}, {}),
    "sees options": ("seen", {}, {"priority": 3, "headers": {"mine": 1}, "shadow": "other", "time_limit": 50,
                                  "root_id": "r", "parent_id": "p", "reply_to": "me"}),
    "bad arguments": ("add", {"x": "no"}, {}),
    "result ignored": ("add", {"x": 1}, {"ignore_result": True}),
    "failure ignored": ("ends", {"how": "fail"}, {"ignore_result": True}),
    "linked": ("add", {"x": 1}, {"link": "T", "link_error": "T"}),
    "failure linked": ("ends", {"how": "fail"}, {"link": "T", "link_error": "T"}),
    "expires": ("add", {"x": 1}, {"expires": 600}),
    "later": ("add", {"x": 1}, {"countdown": 0.1}),
    "stamped": ("add", {"x": 1}, {"stamped_headers": ["why"], "why": "test"}),
    **{f"gives {what}": ("gives", {"what": what}, {}) for what in ("object", "nan", "none", "deep", "long", "file")},
    **{f"ends by {how}": ("ends", {"how": how}, {}) for how in HOOKED},
    "hooks": ("told", {"fail": False}, {}),
    "hooks of a failure": ("told", {"fail": True}, {}),
    **{f"followed by a {how}": ("follows", {"how": how}, {}) for how in ("child", "link", "stand-in")},
}  # fmt: skip
#: What is every job's own: dates, times, ids, processes.
TIMES = {"created_at", "started_at", "finished_at", "tag", "pos", "trail", "date_done", "timestamp", "local_received",
         "clock", "runtime", "due", "seq", "pid", "utcoffset", "unnoted"}  # fmt: skip
VARYING = (
    (r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID"),
    (r"[0-9a-f]{24,32}", "FILE"),
    (r"\[\d{4}-.*?\] ", ""),
    (r"in [\d.e-]+s", "in TIME"),
    (r"\|\d{13}", "|TIME"),
    (r" at 0x[0-9a-f]+", ""),
    (r"\d{4}-\d\d-\d\dT[\d:.+]+", "DATE"),
    (r"""['"](worker_pid|time_start)['"]: [\d.]+""", ""),
)


class Room:
    """One worker with the twins, and who hears its events."""

    def __init__(self, desk: Desk, worker: Program, queue: str) -> None:
        self.desk, self.worker, self.queue = desk, worker, queue
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._connection = desk.celery.connection_for_read()
        receiver = desk.celery.events.Receiver(self._connection, handlers={"*": self._hear})
        self._thread = threading.Thread(target=self._listen, args=(receiver,), daemon=True)
        self._thread.start()
        self._receiver = receiver
        eventually(lambda: self.events["worker"], "the worker's first heartbeat")

    def _listen(self, receiver: Any) -> None:
        receiver.capture(limit=None, timeout=None, wakeup=False)

    def _hear(self, event: dict[str, Any]) -> None:
        self.events[event.get("uuid", "worker")].append(event)

    def close(self) -> None:
        self._receiver.should_stop = True
        self._thread.join(30)
        self._connection.release()


@pytest.fixture(
    scope="module",
    params=["threads", "solo", *(pytest.param(p, marks=pytest.mark.slow) for p in ("prefork", "threads heard"))],
)
def room(request: pytest.FixtureRequest, _programs: Start, record_url: str) -> Iterator[Room]:
    pool, _, listens = str(request.param).partition(" ")
    queue = f"twins-{pool}{listens}"
    worker = _programs(record_url, pool, queue, "-E", app="twins_app", env={"TWINS_LISTEN": listens})
    room = Room(Desk(record_url), worker, queue)
    yield room
    room.close()
    worker.stop()


def told_of(room: Room, kind: str, name: str, given: dict[str, Any], options: dict[str, Any]) -> Callable[[], Any]:
    """Submit one of the twins; return what tells all that anybody can see of it, but for times and ids."""
    twin = room.desk.celery.signature(f"{kind}.add", (10, 20), immutable=True)
    options = {key: twin if value == "T" else value for key, value in options.items()}
    id = room.desk.send(f"{kind}.{name}", queue=room.queue, options=options, **given).id
    room.desk.reaches(id)

    def same(value: Any) -> list[str]:
        text = json.dumps(value, sort_keys=True, default=repr, indent=1)
        for pattern, word in ((id, "ID"), (kind.capitalize(), "Kind"), (rf"\b{kind}\.", "kind."), *VARYING):
            text = re.sub(pattern, word, text)
        return text.splitlines()

    def look() -> Any:
        client, meta = room.desk.client, room.desk.meta(id)
        record = {k.decode(): v.decode() for k, v in client.hgetall(f"celeriac:job:{id}").items()}
        for part in (record, meta):
            for field in TIMES & part.keys():
                del part[field]
        attempts = record.get("attempts", "").splitlines()  # whether a stand-in ends before or after is open
        record["attempts"] = "".join(sorted(attempts, key=lambda attempt: attempt.rpartition("|")[2]))
        if record.get("error"):
            record["error"] = json.loads(record["error"])
        events = [{k: v for k, v in event.items() if k not in TIMES} for event in list(room.events[id])]
        for told in (meta, record.get("error") or {}, *events):
            if told.get("traceback"):
                told["traceback"] = told["traceback"].splitlines()[-1]
        log = [line for line in room.worker.output.splitlines() if f"[{id}]" in line]
        heard = sorted(line.decode() for line in client.lrange(f"heard:{id}", 0, -1))
        return [line for part in (record, meta, events, heard) for line in same(part)] + sorted(
            line.strip(",") for line in same(log)
        )

    return look


@pytest.mark.parametrize("case", CASES)
def test_nobody_can_tell_a_job_from_its_twin(room: Room, case: str) -> None:
    name, given, options = CASES[case]
    plain, celerys = (told_of(room, kind, name, given, options) for kind in ("plain", "celerys"))
    with suppress(AssertionError):
        eventually(lambda: plain() == celerys(), "both have told all", 10)
    assert plain() == celerys()


@pytest.mark.parametrize("kind", ["plain", "celerys"])
def test_a_canvas_goes_on_with_either(room: Room, kind: str) -> None:
    def add(*args: int) -> Any:
        return room.desk.celery.signature(f"{kind}.add", args, queue=room.queue)

    assert chain(add(1, 1), add(2), add(3)).apply_async().get(60) == 7
    assert group(add(n, n) for n in range(5)).apply_async().get(60) == [0, 2, 4, 6, 8]
    body = room.desk.celery.signature(f"{kind}.gives", ("none",), queue=room.queue, immutable=True)
    assert chord([add(1, 1), add(2, 2)], body).apply_async().get(60) is None


def test_both_are_counted(room: Room) -> None:
    for kind in ("plain", "celerys"):
        room.desk.send(f"{kind}.add", queue=room.queue, x=1).get(60)
    node = room.worker.process.args[room.worker.process.args.index("-n") + 1]  # type: ignore[index]
    inspect = room.desk.celery.control.inspect([node], timeout=10)
    [stats], [active] = inspect.stats().values(), inspect.active().values()
    assert stats["total"]["plain.add"] > 0
    assert stats["total"]["celerys.add"] > 0
    assert active == []
