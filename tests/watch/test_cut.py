"""Cut off at any moment, with everything restarted in between: every event once, in order, to the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from celeriac.stack.valkey import Valkey
from tests.article.running import Program
from tests.watch.conftest import NewStation
from tests.watch.listener import Heard, Listener
from tests.watch.station import Station

CUTS, LINES = 200, 600


@contextmanager
def load(station: Station) -> Iterator[None]:
    """Submit other jobs all the while."""
    over = threading.Event()

    def submit() -> None:
        while not over.wait(0.02):
            try:
                station.web("POST", "/api/tasks/add", {"x": 1, "y": 2})
            except OSError:  # the server is being restarted
                over.wait(0.2)

    thread = threading.Thread(target=submit)
    thread.start()
    yield
    over.set()
    thread.join()


def take(station: Station, id: str, last_id: str | None, seconds: float, heard: list[Heard]) -> None:
    """Listen for a while, then cut the connection, wherever it is."""
    try:
        with station.watch(id, last_id) as listener:
            if listener.status == 200:
                heard.extend(listener.events(seconds))
    except OSError:  # nobody listens yet
        time.sleep(0.1)


@pytest.mark.slow
def test_a_client_cut_two_hundred_times_hears_every_event_once_and_in_order(
    station: NewStation, tmp_path: Path
) -> None:
    redis = Valkey(tmp_path / "redis").start()
    here, chance = station("gthread", 16, url=redis.url), random.Random(7)
    here.start_web()
    here.start_worker()
    id = here.submit("chatter", lines=LINES, pause=0.03)
    heard: list[Heard] = []
    with load(here):
        for cut in range(CUTS):
            if cut == CUTS // 3:
                here.stop("web")
                here.start_web()
            if cut == CUTS // 2:
                redis.stop()
                redis.start()
            take(here, id, heard[-1].id if heard else None, chance.uniform(0, 0.12), heard)
        if not heard or heard[-1].kind != "end":
            heard += here.watch(id, heard[-1].id if heard else None).until("end")
    here.stop_all()
    redis.stop()

    assert [int(event.id) for event in heard] == list(range(1, len(heard) + 1))
    assert [event.data["text"] for event in heard if event.kind == "log"] == [f"line {i}" for i in range(LINES)]
    assert [event.data["current"] for event in heard if event.kind == "progress"] == list(range(10, LINES + 1, 10))
    states = [event.data["state"] for event in heard if event.kind in ("state", "end")]
    assert states == ["queued", "running", "succeeded"]


def held(station: Station, id: str) -> list[Listener]:
    """Take every stream there is; the last one is refused."""
    taken = [station.watch(id)]
    while taken[-1].status == 200 and len(taken) <= station.places:
        taken.append(station.watch(id))
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gthread", "gevent"])
def test_with_every_stream_taken_others_are_answered_and_a_stop_ends_them_all(station: NewStation, kind: str) -> None:
    here = station(kind, 8)
    program: Program = here.start_web(CELERIAC_WAITS="8")
    id = here.submit("stay")
    *taken, refused = held(here, id)

    assert (len(taken), refused.status, refused.answer.headers["Retry-After"]) == (6, 503, "5")
    assert here.web("GET", "/healthz").status == 200
    assert here.submit("add", x=1, y=2)
    waited = here.web("GET", f"/api/jobs/{id}", headers={"Prefer": "wait=60"})  # no place for that either: at once
    assert (waited.status, waited.headers.get("Preference-Applied")) == (200, None)
    for listener in taken:
        assert next(listener.events()).data["state"] == "queued"
    program.process.terminate()
    for listener in taken:
        list(listener.events())
        assert listener.over
    assert program.process.wait(60) == 0
    refused.close()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "connections"), [("gthread", 1000), ("gevent", 200)])
def test_a_thousand_connections_leave_nothing_behind(station: NewStation, kind: str, connections: int) -> None:
    here = station(kind, 24)
    here.start_web()
    id = here.submit("stay")
    for listener in held(here, id):  # every thread and connection there will ever be
        listener.close()
    before = eventually_still(here)
    for n in range(connections):
        with here.watch(id) as listener:
            assert listener.status == 200  # whoever has left has made room
            if n % 2:
                next(listener.events())

    settled = eventually_still(here)
    assert settled["threads"] <= max(before["threads"], here.places + 2)  # its pool, the main thread, the reader
    assert settled["files"] <= before["files"] + 2  # of the connections to Redis two may have been idle before
    again = held(here, id)
    assert len(again) == 24 - 6 + 1
    for listener in again:
        listener.close()


def eventually_still(station: Station) -> dict[str, int]:
    """Return threads and open files of the server's process, when they do not change any more."""
    last: dict[str, int] = {}
    until = time.monotonic() + 30
    while time.monotonic() < until:
        process = Path(f"/proc/{station.child}")
        now = {
            "threads": len(list((process / "task").iterdir())),
            "files": len(list((process / "fd").iterdir())),
        }
        if now == last:
            return now
        last = now
        time.sleep(2)  # longer than the server takes to notice who has left
    raise AssertionError(f"It goes on changing: {last}")
