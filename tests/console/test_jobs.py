"""What a person does with the list of jobs."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.console.conftest import Shop
from tests.console.person import Person

pytestmark = pytest.mark.slow


def test_ann_sees_a_job_come_in_and_end_and_opens_it_by_keyboard(ann: Person, shop: Shop) -> None:
    ann.opens("jobs")
    ann.sees("live", ".stream")
    gate = shop.gate()
    id = shop.submit("walk", steps=2, gate=gate)

    row = f"tr[data-id='{id}']"
    ann.sees("running", row)
    shop.open_gate(gate)
    ann.sees("succeeded", row)

    ann.strikes("j")
    ann.strikes(Keys.ENTER)
    ann.until(lambda: ann.place == f"jobs/{id}", "the job's page")
    ann.sees("Arrived", "[aria-label=Result]")


def test_ann_looks_a_job_up_by_its_id(ann: Person, shop: Shop) -> None:
    id = shop.submit("add", x=1)
    ann.opens("jobs")
    ann.types("Search", id + Keys.ENTER)

    ann.until(lambda: ann.place == f"jobs/{id}", "the job's page")


def test_the_address_keeps_what_ann_looks_for(ann: Person) -> None:
    ann.opens("jobs")
    ann.presses("failed")
    ann.chooses("Task", "divide")
    ann.until(lambda: ann.place == "jobs?state=failed&task=divide", "the address")

    ann.browser.refresh()
    ann.until(lambda: ann.finds(".chip.failed").get_attribute("aria-pressed") == "true", "the filter")
    ann.browser.back()
    ann.until(lambda: ann.place == "jobs?state=failed", "the address before")
    ann.presses("Clear")
    ann.until(lambda: ann.place == "jobs", "no filter")
