"""schemathesis reads the document and sends what it allows and what it does not: no 5xx, no undocumented answer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.article.running import BIN, Program, Web, eventually, free_port

pytestmark = pytest.mark.slow

SECONDS = 240.0  # of patience; it is bounded by its number of examples, about half a minute
# One worker: Hypothesis reads sources with `ast.parse`, which Python 3.11 fails at now and then in two threads at once
# ("AST constructor recursion depth mismatch", python/cpython#106905).
#: Checks that do not fit: local development is open, a job may be forgotten between two requests, and some of what the
#: schema allows is refused for reasons that no schema can tell (a date too far away, 9.0 where a whole number belongs).
EXCLUDED = "ignored_auth,use_after_free,ensure_resource_availability,positive_data_acceptance"


def test_no_request_makes_an_answer_that_the_document_does_not_tell(broker_url: str, tmp_path: Path) -> None:
    port = free_port()
    env = {"BROKER_URL": broker_url, "CELERIAC_LOCAL": "1", "SECRET_KEY": "schemathesis", "CELERIAC_STREAM_AGE": "0.2",
           "CELERIAC_HISTORY": "true", "DATABASE_URL": f"sqlite:///{tmp_path / 'history.db'}",
           "CELERIAC_DATA": str(tmp_path / "data")}  # fmt: skip
    command = ["gunicorn", "run:app", "--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "8",
               "--no-control-socket",
               "--limit-request-line", "0"]  # fmt: skip  # too long an address is Gunicorn's to refuse, by its own 414
    program, web = Program(command, tmp_path / "web.log", env), Web(port)
    try:
        eventually(lambda: web.answers("/api/jobs"), "a list of jobs by Gunicorn, from tables that it has made")
        ran = subprocess.run(
            [
                str(BIN / "schemathesis"), "run", f"http://127.0.0.1:{port}/api/openapi.json",
                "--checks", "all", "--exclude-checks", EXCLUDED, "--max-examples", "30",
                "--seed", "2", "--workers", "1",
                "--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-color",
            ],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    finally:
        program.stop()

    assert ran.returncode == 0, ran.stdout[-12000:] + ran.stderr[-2000:]
