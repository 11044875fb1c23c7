"""What a person does with one job at the console, in a real browser before a real system."""

from __future__ import annotations

import pytest

from tests.console.conftest import Shop
from tests.console.person import Person

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
    shop.open_gate(gate)

    ann.sees("succeeded", ".now")
    ann.sees("Arrived", "[aria-label=Result]")
    ann.sees("Step 3", ".lines")
