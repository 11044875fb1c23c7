"""What a person does with one job at the console, in a real browser before a real system."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.article.running import eventually
from tests.console.conftest import Shop
from tests.console.person import Person
from tests.console.shop import PICTURE

pytestmark = pytest.mark.slow


def test_ann_starts_a_job_from_its_form_and_watches_it_finish(ann: Person, shop: Shop) -> None:
    gate = shop.gate()
    ann.opens("tasks")
    ann.finds("a.card", "walk").click()
    ann.types("steps", "4")
    ann.types("gate", gate)
    ann.presses("Start")

    ann.sees("running", ".now")
    ann.sees("Step 2", ".lines")
    ann.sees("of 4", ".progress")
    ann.sees("live", ".stream")
    shop.open_gate(gate)

    ann.sees("succeeded", ".now")
    ann.sees("Arrived", "[aria-label=Result]")
    ann.sees("Step 3", ".lines")
    ann.sees("succeeded", ".events")


def test_ann_loses_the_server_and_sees_all_that_happened_meanwhile(ann: Person, shop: Shop) -> None:
    gate = shop.gate()
    id = shop.submit("walk", steps=6, gate=gate)
    ann.opens(f"jobs/{id}")
    ann.sees("Step 3", ".lines")

    shop.close()
    ann.sees("every 3 s", ".stream")
    shop.open_gate(gate)
    shop.open()

    ann.sees("succeeded", ".now")
    ann.sees("Step 5", ".lines")
    lines = ann.reads(".lines").splitlines()
    assert [line.rpartition("Step ")[2] for line in lines if "Step" in line] == ["0", "1", "2", "3", "4", "5"]


def test_ann_cancels_a_job_that_runs(ann: Person, shop: Shop) -> None:
    id = shop.submit("walk", gate=shop.gate())
    ann.opens(f"jobs/{id}")
    ann.sees("running", ".now")

    ann.presses("Cancel")
    ann.sees("It stops at its next step", "dialog")
    ann.presses("Cancel the job")

    ann.sees("cancelled", ".now")


def test_ann_thinks_again_and_the_job_goes_on(ann: Person, shop: Shop) -> None:
    gate = shop.gate()
    id = shop.submit("walk", steps=4, gate=gate)
    ann.opens(f"jobs/{id}")
    ann.presses("Cancel")

    ann.presses("Keep as it is")
    shop.open_gate(gate)

    ann.sees("succeeded", ".now")


def test_ann_sees_why_a_job_failed_changes_what_was_wrong_and_retries(ann: Person, shop: Shop) -> None:
    id = shop.submit("divide", x=10, by=0)
    ann.opens(f"jobs/{id}")
    ann.sees("ZeroDivisionError", ".failure")
    ann.sees("Traceback (most recent call last)", ".failure")

    ann.presses("Edit and retry")
    ann.types("by", "4")
    ann.presses("Retry with these")

    ann.sees("succeeded", ".now")
    ann.sees("2.5", "[aria-label=Result]")
    ann.sees("failed", "[aria-label=Attempts]")


def test_ann_gives_a_secret_again_for_she_cannot_see_it(ann: Person, shop: Shop) -> None:
    id = shop.submit("log_in", user="ann", password="hunter22")
    ann.opens(f"jobs/{id}")
    ann.sees("[hidden]", "[aria-label=Arguments]")

    ann.presses("Edit and retry")
    ann.sees("Secrets are not shown", "dialog")
    ann.types("password", "hunter")
    ann.presses("Retry with these")

    ann.sees("ann is in (6 letters)", "[aria-label=Result]")
    assert "hunter" not in ann.browser.page_source


def test_ann_sees_why_a_job_waits(ann: Person, shop: Shop) -> None:
    ann.opens(f"jobs/{shop.submit('post')}")

    ann.sees("queued", ".now")
    ann.sees("Nobody is listening on queue post", ".now")


def test_ann_searches_and_follows_a_log(ann: Person, shop: Shop) -> None:
    ann.opens(f"jobs/{shop.submit('talk', lines=500)}")

    ann.sees("Line 499 of 500", ".lines")  # it follows
    ann.types("Search the log", "line 77 ")
    ann.sees("Line 77 of 500", ".lines")
    ann.sees("1 of ", ".log .help")
    ann.types("Search the log", "n")
    ann.chooses("Level", "WARNING and above")
    ann.sees("Warning 199", ".lines")
    ann.sees_no("Line ", ".lines")


def test_a_log_of_five_thousand_lines_draws_only_what_is_in_view(ann: Person, shop: Shop) -> None:
    id = shop.submit("add", x=1)
    answer = """
        const real = window.fetch;
        const line = (_, n) => ({ seq: n + 1, at: null, level: "info", text: `Line ${n}` });
        const items = Array.from({ length: 5000 }, line);
        window.fetch = (path, options) => !String(path).includes("/logs") ? real(path, options)
          : Promise.resolve(Response.json({ items: String(path).endsWith("after=0") ? items : [], dropped: 0 }));
    """
    added = ann.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": answer})
    ann.opens(f"jobs/{id}")
    ann.sees("Line 4999", ".lines")
    ann.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

    ann.field("Follow").click()
    ann.browser.execute_script("document.querySelector('.lines').scrollTop = 0")
    ann.sees("Line 0\n", ".lines")
    assert len(ann.browser.find_elements(By.CSS_SELECTOR, ".line")) < 150


def test_ann_sees_a_picture_as_a_picture(ann: Person, shop: Shop) -> None:
    ann.opens(f"jobs/{shop.submit('draw')}")

    picture = ann.finds("figure img")
    eventually(lambda: ann.browser.execute_script("return arguments[0].naturalWidth", picture) == 16, "the picture")


def test_ann_is_told_what_is_wrong_at_its_field(ann: Person, shop: Shop) -> None:
    ann.opens("tasks/order")
    ann.types("item", "Celeriac")
    ann.types("street", "Main Street 1")
    ann.types("zip", "none")
    ann.types("count", "99")
    ann.presses("Start")

    for label in ("zip", "count"):
        ann.until(lambda label=label: ann.field(label).get_attribute("aria-invalid") == "true", f"{label} is wrong")  # type: ignore[misc]
        told = str(ann.field(label).get_attribute("aria-describedby"))
        assert ann.reads(f"[id='{told.rsplit(maxsplit=1)[-1]}']")
    assert ann.field("zip") == ann.browser.switch_to.active_element
    assert ann.field("item").get_attribute("aria-invalid") is None

    ann.types("zip", "12345")
    ann.types("count", "2")
    ann.chooses("size", "large")
    ann.field("gift").click()
    ann.presses("Add to notes")
    ann.types("notes 1", "By bike")
    assert '"count":2' in ann.reads("[aria-label=curl]")
    ann.presses("Start")

    ann.sees("Main Street 1", "[aria-label=Result]")
    ann.sees("By bike", "[aria-label=Result]")
    ann.sees('"gift": true', "[aria-label=Result]")


def test_ann_starts_a_job_later_on_another_queue(ann: Person) -> None:
    ann.opens("tasks/add")
    ann.types("x", "1.5")
    ann.presses("Later, elsewhere, sooner than others")
    ann.types("Start in", "3600")
    ann.types("Queue", "io")
    ann.presses("Start")

    ann.sees("scheduled", ".now")
    ann.sees("It is scheduled for", ".now")
    ann.sees("io", "dl")


def test_ann_opens_a_job_that_never_was(ann: Person) -> None:
    ann.opens("jobs/0b7e4c4e-0000-4000-8000-000000000000")

    ann.sees("No job has the id", "[role=alert]")


def test_ann_walks_from_a_job_to_those_that_belong_to_it(ann: Person, shop: Shop) -> None:
    id = shop.submit("feast", guests=3)
    shop.reaches(id, "succeeded")
    ann.opens(f"jobs/{id}")
    ann.sees("It submitted", ".family")
    ann.finds(".family a", "add").click()

    ann.sees("The results go to", ".family")
    ann.sees("In the same group", ".family")
    ann.presses("add_up", ".family")

    ann.sees("6", "[aria-label=Result]")
    ann.sees("It began with", ".family")


def test_ann_sends_a_file_sees_the_picture_that_comes_back_and_fetches_it(
    ann: Person, shop: Shop, tmp_path: Path
) -> None:
    sent = tmp_path / "sea.png"
    sent.write_bytes(base64.b64decode(PICTURE))
    ann.opens("tasks/frame")
    ann.field("picture").send_keys(str(sent))
    ann.sees("sea.png, 87 B: sent.")
    ann.presses("Start")

    ann.sees("Download framed.png", "main")
    picture = ann.finds("figure img")
    ann.until(lambda: ann.browser.execute_script("return arguments[0].naturalWidth", picture) == 16, "the picture")
    came = shop.web("GET", ann.finds("figcaption a").get_attribute("href").removeprefix(shop.url))
    assert came.body == sent.read_bytes()
    ann.sees("Download file", "main")  # the one that it took
