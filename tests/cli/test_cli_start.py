"""A wrong setting is a sentence wherever the app is started, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from celeriac import Celeriac
from celeriac.errors import ConfigError
from tests.article.running import ROOT, Program, eventually

WRONG = {"CELERIAC_LEAS": "3", "BROKER_URL": "redis://127.0.0.1:1/0"}
STARTS = [
    (("flask", "--app", "run", "jobs", "tasks"), 78),
    (("flask", "--app", "run", "run", "--port", "1"), 78),
    (("python", "-m", "celery", "-A", "backend", "worker"), 78),
    (("gunicorn", "run:app", "--bind", "127.0.0.1:0", "--no-control-socket"), 4),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code"), STARTS, ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_a_wrong_setting_is_said_in_a_sentence(tmp_path: Path, command: tuple[str, ...], code: int) -> None:
    program = Program(command, tmp_path / "log", WRONG, ROOT)
    try:
        assert eventually(program.process.poll, "its end") == code
    finally:
        program.stop()

    assert "Error: Wrong settings. CELERIAC_LEAS is not a setting, did you mean CELERIAC_LEASE?" in program.output
    assert "Traceback" not in program.output


def test_an_app_beside_a_running_one_raises(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/flask"])
    monkeypatch.setenv("CELERIAC_LEAS", "3")

    with app.app_context(), pytest.raises(ConfigError, match="did you mean"):
        Celeriac(Flask("another"))
    with pytest.raises(SystemExit):
        Celeriac(Flask("another"))
