"""`flask jobs submit`, `show`, `cancel`, `retry`, `delete`, `tasks`, `workers`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from celeriac import actions
from celeriac.actions import Context
from celeriac.job import Move
from celeriac.store import moves, record
from tests.article.running import ROOT
from tests.cli.conftest import Run, runner
from tests.hand import Hand
from tests.steering.steered import make_app


def test_a_job_is_submitted_and_its_id_is_all_that_is_said(run: Run, context: Context) -> None:
    said = run("submit", "steered_double", "n=21")

    assert (said.code, said.err) == (0, "")
    assert record.read(context.client, context.space, said.out.strip()).kwargs == {"n": 21}


def test_words_are_what_the_task_takes(run: Run, context: Context) -> None:
    said = run("submit", "steered_greet", "name=5", "times=2", "--json")

    assert said.json["arguments"] == {"name": "5", "times": 2}
    assert said.json["waiting"]["reason"] == "no_worker"


def test_arguments_in_json_and_words_that_change_them(run: Run) -> None:
    said = run("submit", "steered_greet", "--arguments", '{"name": "Ada", "times": 2}', "times=3", "--json")

    assert said.json["arguments"] == {"name": "Ada", "times": 3}


def test_when_where_and_how_urgent(run: Run, context: Context) -> None:
    said = run("submit", "steered_double", "n=1", "--delay", "60", "--queue", "slow", "--priority", "9", "--json")

    assert (said.json["state"], said.json["queue"]) == ("scheduled", "slow")
    at = run("submit", "steered_double", "n=1", "--at", "2036-01-01T00:00:00+00:00", "--json")
    assert (at.code, at.json["due_at"][:10]) == (0, "2036-01-01")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("submit", "steered_dubble", "n=1"), "Did you mean 'steered_double'?"),
        (("submit", "steered_double"), "n Field required."),
        (("submit", "steered_double", "n=many"), "n Input should be a valid integer."),
        (("submit", "steered_double", "n"), "'n' is not NAME=VALUE."),
        (("submit", "steered_double", "--arguments", "{"), "The body is not JSON"),
        (("submit", "steered_double", "n=1", "--at", "tomorrow"), "'tomorrow' is no time."),
        (("submit", "steered_double", "n=1", "--at", "2030-01-01T00:00:00"), "run_at should have a time zone."),
        (("submit", "steered_double", "n=1", "--delay", "nan"), "delay should be seconds"),
        (("submit", "steered_double", "n=1", "--queue", "a b"), "queue should be letters"),
        (("submit", "steered_double", "n=1", "--priority", "11"), "priority should be from 0"),
        (("submit",), "Missing argument 'TASK'"),
        (("sumbit",), "No such command 'sumbit'"),
    ],
)
def test_bad_input_exits_with_2_and_a_sentence(
    run: Run, context: Context, words: tuple[str, ...], sentence: str
) -> None:
    said = run(*words)

    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert context.client.llen("celery") == 0


def test_a_refusal_is_a_problem_for_programs(run: Run) -> None:
    said = run("submit", "steered_double", "n=many", "--json")

    problem = json.loads(said.err)
    assert (said.code, problem["status"], problem["errors"][0]["pointer"]) == (2, 422, "/n")


def test_a_broker_that_is_away_exits_with_69() -> None:
    said = runner(make_app("redis://127.0.0.1:1/0"))("submit", "steered_double", "n=1")

    assert said.code == 69
    assert "nothing was queued" in said.err


def test_waiting_for_a_job_prints_its_result(served: Run) -> None:
    said = served("submit", "steered_greet", "name=Ada", "--wait")

    assert (said.code, said.out) == (0, '"Hello Ada!"\n')
    assert "■ steered_greet" in said.err


def test_the_exit_code_tells_how_it_ended(served: Run) -> None:
    failed = served("submit", "steered_fail", "why=it broke", "--wait")
    late = served("submit", "steered_double", "n=1", "--delay", "60", "--wait", "--timeout", "0.2")

    assert (failed.code, failed.out) == (1, "")
    assert "ValueError: it broke" in failed.err
    assert late.code == 124
    assert late.err.splitlines()[0].split(": ")[1].startswith("It is scheduled for")
    assert "It has not ended in 0.2 s. It is scheduled for" in late.err


def test_waiting_programs_get_the_whole_job(served: Run) -> None:
    said = served("submit", "steered_fail", "why=it broke", "--wait", "--json")

    assert (said.code, said.json["state"], said.json["error"]["message"]) == (1, "failed", "it broke")


def test_a_running_job_is_cancelled_and_its_waiter_hears_6(served: Run) -> None:
    id = served("submit", "steered_stay").out.strip()

    assert served("cancel", id).out.split()[0] == id
    assert served("retry", id, "--wait", "--timeout", "0").code in (5, 124)  # it may not have ended yet


def test_a_finished_job_is_retried_and_waited_for(served: Run) -> None:
    id = served("submit", "steered_double", "n=1", "--wait", "--json").json["id"]

    said = served("retry", id, "n=4", "--wait")

    assert (said.code, said.out) == (0, "8\n")
    assert served("show", id, "--json").json["attempt"] == 2


def test_show_tells_all_of_a_job_and_what_it_said(run: Run, context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})
    token = hand.start()
    line = json.dumps({"t": 1_700_000_000_000, "l": "info", "m": "half\x1b[31m way"})
    far = json.dumps({"current": 1, "total": 2})
    moves.report(context.client, context.space, 9, [moves.Report(token, far, "", [line])])
    running = run("show", id, "--log").out
    hand.end(token, Move.FAIL, error="it broke")

    failed = run("show", id).out

    assert "state      running" in running
    assert "progress   1 of 2 (50 %)" in running
    assert "2023-11-14 22:13:20  half\\x1b[31m way" in running  # no job writes to our terminal
    assert "error      ValueError: it broke" in failed
    assert "line 1" in failed  # the traceback: whoever has the command line is an operator


def test_show_says_why_a_job_waits(run: Run, context: Context) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})

    assert "waiting    Nobody is listening on queue celery" in run("show", id).out


def test_outcomes_of_single_jobs_have_exit_codes(run: Run, context: Context, hand: Hand) -> None:
    id = actions.submit(context, "steered_double", {"n": 1})

    assert run("show", "nobody").code == 4
    assert run("retry", id).code == run("delete", id).code == 5
    assert (run("cancel", id).out, run("cancel", id).code) == (f"{id} cancelled\n", 0)
    assert run("retry", id).out == f"{id} queued\n"
    hand.end(hand.start())
    assert run("cancel", id).code == 5
    assert run("delete", id).code == 0
    assert run("show", id).code == 4


def test_tasks_are_listed_as_they_are_called(run: Run) -> None:
    said = run("tasks")

    assert "steered_greet name=NAME times=1  letters  Greet somebody, on a queue of its own." in said.out
    named = {task["name"]: task for task in run("tasks", "--json").json}
    assert named["steered_double"]["arguments"]["required"] == ["n"]


def test_workers_are_listed_or_how_to_start_one_is_said(run: Run, hand: Hand) -> None:
    assert "No worker is running" in run("workers").out
    hand.listen("celery", "io")

    assert run("workers").out.splitlines()[1].split() == [
        "hand@test", "celery,", "io", "4", "threads", "0", "0", "alive"
    ]  # fmt: skip


@pytest.mark.slow
def test_the_apps_own_command_line_has_it(broker_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "flask"), "--app", "run", "jobs", "submit", "add", "x=1", "y=2"],
        cwd=ROOT, env={**os.environ, "BROKER_URL": broker_url}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert len(done.stdout.strip()) == 36
