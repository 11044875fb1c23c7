"""What a person does with many jobs: finds one of last week, turns pages, watches a thousand changes in a second."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from selenium.webdriver.common.by import By

from celeriac.actions import submit
from celeriac.job import Move
from tests.console.conftest import Shop
from tests.console.past import DAY, job, remember
from tests.console.person import Person
from tests.hand import Hand

pytestmark = pytest.mark.slow

#: Notes how long each frame took, and what the browser itself calls a long task.
FRAMES = """
    window.frames_ = { gaps: [], long: [] };
    new PerformanceObserver((list) => frames_.long.push(...list.getEntries().map((one) => one.duration)))
      .observe({ entryTypes: ["longtask"] });
    let last = performance.now();
    const frame = (now) => { frames_.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
"""
STORM = 5.0  # seconds
JOBS = 1700  # three changes each


@pytest.fixture(scope="module")
def past(shop: Shop) -> str:
    """Ten thousand jobs of the last nine days, and one failure among them, of a week ago; return its id."""
    app = shop.app
    remember(
        app, [job(app, "divide", 60 + n * 75.0, error="no" if n % 50 == 0 else "", x=n, by=1) for n in range(9999)]
    )
    [id] = remember(app, [job(app, "order", 7 * DAY, error="The zip is of another town", item="piano", password="1")])
    return id


def rows(ann: Person) -> list[str]:
    return [str(one.get_attribute("data-id")) for one in ann.browser.find_elements(By.CSS_SELECTOR, "tr[data-id]")]


def another_page(ann: Person, seen: list[str]) -> list[str]:
    return ann.until(lambda: (found := rows(ann)) and not set(found) & set(seen) and found, "another page")  # type: ignore[return-value]


def test_ann_finds_last_weeks_failure_and_starts_one_like_it(ann: Person, past: str) -> None:
    ann.opens("jobs")
    ann.presses("failed")
    ann.chooses("Submitted", "the last 30 days")
    ann.types("Search", "piano town")

    ann.sees("ValueError: The zip is of another town", f"tr[data-id='{past}']")
    ann.until(lambda: rows(ann) == [past], "that one alone")
    assert "q=piano" in ann.place
    ann.presses("order", "tr[data-id]")
    ann.sees("This is what the history remembers")
    ann.sees('File "shop.py", line 7', "[aria-label=Traceback]")
    ann.presses("Start one like it")

    ann.until(lambda: ann.field("item").get_attribute("value") == "piano", "the form, filled in")


def test_ann_looks_at_one_day(ann: Person, shop: Shop, past: str) -> None:
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() - 7 * DAY))
    ann.opens(f"jobs?within=days&from={day}&to={day}&task=order")

    ann.until(lambda: rows(ann) == [past], "that one alone")
    assert ann.field("From").get_attribute("value") == day


def test_ann_turns_pages_and_no_job_is_missed_or_shown_twice(ann: Person, past: str) -> None:
    ann.opens("jobs?state=failed&task=divide&within=2592000")
    seen: list[str] = []
    while True:
        page = another_page(ann, seen)
        seen += page
        if not ann.browser.find_elements(By.CSS_SELECTOR, ".pages button.older"):
            break
        ann.presses("Older")

    assert len(seen) == len(set(seen)) >= 200
    assert "page=" in ann.place
    ann.browser.back()
    ann.until(lambda: rows(ann) == seen[-len(page) - 50 : -len(page)], "the page before")
    ann.presses("Newest")
    ann.until(lambda: rows(ann) == seen[:50], "the first page")


def test_ann_sees_in_charts_and_numbers_what_the_last_week_brought(ann: Person, past: str) -> None:
    ann.opens("")
    ann.presses("last week")

    ann.until(lambda: ann.place == "?span=week", "the address")
    ann.presses("As numbers", "figure")
    numbers = ann.until(lambda: ann.reads("[aria-label=Throughput]"), "the numbers")
    assert "48" in numbers  # one in 75 s is 48 in an hour
    assert ann.browser.find_elements(By.CSS_SELECTOR, "figure canvas")
    total = ann.finds("a[href$='state=succeeded'] strong").text.replace(",", "")
    assert int(total) >= 9700
    ann.finds("a[href$='state=failed']").click()
    ann.until(lambda: ann.place == "jobs?state=failed", "the failed ones")


def test_ann_cancels_and_retries_all_that_fit_after_she_was_told_how_many(ann: Person, shop: Shop) -> None:
    ids = [shop.submit("add", queue="crowd", x=n) for n in range(230)]
    ann.opens("jobs?queue=crowd")
    ann.presses("Cancel all that fit…")
    ann.sees("Cancel 230 jobs?", "dialog")
    ann.presses("Keep as it is")
    ann.sees_no("Cancel 230 jobs?")
    assert shop.web("GET", f"/api/jobs/{ids[0]}").json["state"] == "queued"

    ann.presses("Cancel all that fit…")
    ann.presses("Cancel 230 jobs")
    ann.sees("230 jobs: told to stop.")
    ann.sees("cancelled", f"tr[data-id='{ids[-1]}']")
    assert shop.web("GET", f"/api/jobs/{ids[0]}").json["state"] == "cancelled"

    ann.presses("cancelled", ".states")
    ann.presses("Retry all that fit…")
    ann.presses("Retry 230 jobs", "dialog")
    ann.sees("230 jobs: told to run again.")
    assert shop.web("GET", f"/api/jobs/{ids[0]}").json["state"] == "queued"


def test_ann_cancels_those_that_she_chose(ann: Person, shop: Shop) -> None:
    ids = [shop.submit("add", queue="few", x=n) for n in range(3)]
    ann.opens("jobs?queue=few")
    for id in ids[:2]:
        ann.finds(f"tr[data-id='{id}'] input").click()
    ann.presses("Cancel 2 chosen…")
    ann.presses("Cancel 2 jobs", "dialog")

    ann.sees("2 jobs: told to stop.")
    ann.sees("cancelled", f"tr[data-id='{ids[0]}']")
    assert shop.web("GET", f"/api/jobs/{ids[2]}").json["state"] == "queued"


def test_ann_is_told_when_the_history_is_not_written_and_that_jobs_run_all_the_same(ann: Person, shop: Shop) -> None:
    with closing(sqlite3.connect(shop.folder / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # somebody else has the file, and does not let go
        id = shop.submit("add", x=1)
        ann.opens("")
        ann.sees("The history is not written", ".signs")
        ann.sees("Jobs run all the same", ".signs")
        ann.opens("jobs")
        ann.sees("succeeded", f"tr[data-id='{id}']")
        other.execute("ROLLBACK")
    ann.opens("")
    ann.sees_no("The history is not written")


def test_a_thousand_changes_in_a_second_leave_the_page_free_to_be_used(ann: Person, shop: Shop, past: str) -> None:
    ann.opens("jobs")
    ann.sees("live", ".stream")
    ann.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": FRAMES})
    ids: list[str] = []
    storm = threading.Thread(target=_storm, args=(shop, ids))
    begun = time.monotonic()
    storm.start()
    waits = []
    for pressed in ("true", "false", "true", "false"):  # somebody goes on working meanwhile
        asked = time.monotonic()
        ann.presses("lost", ".states")
        ann.until(lambda told=pressed: ann.finds(".chip.lost").get_attribute("aria-pressed") == told, "its answer")  # type: ignore[misc]
        waits.append(time.monotonic() - asked)
    storm.join(120)
    took = time.monotonic() - begun

    newest = ids[-1:-51:-1]
    ann.until(lambda: set(rows(ann)) == set(newest), "the newest jobs")
    for id in newest:
        ann.sees("succeeded", f"tr[data-id='{id}']")
    told = json.loads(ann.browser.execute_script("return JSON.stringify(frames_)"))
    gaps = sorted(told["gaps"])
    print(
        f"\n{3 * len(ids) / took:.0f} changes a second for {took:.1f} s: {len(gaps)} frames, median"
        f" {gaps[len(gaps) // 2]:.0f} ms, 99 of 100 {gaps[int(len(gaps) * 0.99)]:.0f} ms, longest {gaps[-1]:.0f} ms;"
        f" {len(told['long'])} tasks over 50 ms, the longest {max(told['long'], default=0):.0f} ms;"
        f" a click was answered within {max(waits):.2f} s"
    )


def _storm(shop: Shop, ids: list[str]) -> None:
    """Submit, start and end jobs, a thousand changes in a second if this machine can."""
    context = shop.app.extensions["celeriac"].context
    hand = Hand(context)
    begun = time.monotonic()
    for n in range(JOBS):
        ids.append(submit(context, "add", {"x": n}, queue="storm"))
        hand.end(hand.start("storm"), Move.SUCCEED, n)
        ahead = begun + n * STORM / JOBS - time.monotonic()
        if ahead > 0.01:
            time.sleep(ahead)
