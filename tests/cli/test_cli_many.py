"""A file of arguments becomes jobs, a line each."""

from __future__ import annotations

import json
from pathlib import Path

from celeriac.actions import Context
from tests.cli.conftest import Run, runner
from tests.steering.steered import make_app


def lines(*given: object) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in given).encode()


def test_each_line_is_a_job(run: Run, context: Context, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_bytes(lines(*({"n": i} for i in range(1500))) + b"\n")

    said = run("submit", "steered_double", "--many", str(file))

    ids = said.out.split()
    assert (said.code, said.err, len(set(ids))) == (0, "", 1500)
    assert context.client.llen("celery") == 1500
    assert run("show", ids[-1], "--json").json["arguments"] == {"n": 1499}


def test_what_does_not_fit_is_said_with_its_line(run: Run, context: Context) -> None:
    said = run("submit", "steered_double", "--many", "-", input=lines({"n": 1}, {"n": "x"}) + b"no\n" + lines({"n": 2}))

    assert (said.code, len(said.out.split()), context.client.llen("celery")) == (2, 2, 2)
    assert "Line 2: " in said.err
    assert "Line 3: The body is not JSON" in said.err


def test_programs_get_a_line_of_json_for_each(run: Run) -> None:
    said = run("submit", "steered_double", "--json", "--many", "-", input=lines({"n": 1}, 5))

    first, second = map(json.loads, said.out.splitlines())
    assert set(first) == {"id"}
    assert second["line"] == 2


def test_many_brings_its_own_arguments(run: Run) -> None:
    said = run("submit", "steered_double", "n=1", "--many", "-", input=lines({"n": 1}))

    assert (said.code, "brings all arguments" in said.err) == (2, True)


def test_a_broker_that_is_away_stops_it() -> None:
    said = runner(make_app("redis://127.0.0.1:1/0"))("submit", "steered_double", "--many", "-", input=lines({"n": 1}))

    assert (said.code, said.out) == (69, "")
    assert "Stopped at line 1" in said.err


def test_a_broker_that_is_away_stops_it_also_where_the_last_line_is_wrong() -> None:
    run = runner(make_app("redis://127.0.0.1:1/0"))
    said = run("submit", "steered_double", "--many", "-", input=lines(*[{"n": 1}] * 999, "no", {"n": 2}))

    assert (said.code, said.out) == (69, "")
    assert said.err.endswith("Stopped at line 1000: what was printed is queued.\n")
