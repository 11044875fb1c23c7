"""Nothing is lost in a storm, whatever its seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.storm import Storm

SECONDS = 60.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20261122, random.SystemRandom().randrange(10**6)], ids=["fixed", "random"])
def test_every_accepted_job_ends_and_each_second_run_has_a_reason(tmp_path: Path, seed: int) -> None:
    storm = Storm(tmp_path, seed)
    try:
        verdict = storm.blow(SECONDS)
    finally:
        storm.close()
    print(f"seed {seed}: {verdict}")
    assert verdict.sound, f"seed {seed}: {verdict}"
    assert verdict.accepted > 50
