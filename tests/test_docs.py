"""The documents say what is so: settings, paths, tasks and commands are checked, the README's calls are made.

`python -m tests.test_docs` writes docs/settings.md anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.config import PREFIX, Settings
from celeriac.stack.valkey import free_port
from tests.article.running import ROOT, Program, Web, eventually

SETTINGS = ROOT / "docs" / "settings.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HEAD = """# Settings

Each is read from the environment or from `app.config`, which wins. Durations are seconds, sizes are bytes. An unknown
name under `CELERIAC_` is refused. Four have short names too: `BROKER_URL`, `RESULT_BACKEND`, `DATABASE_URL`, and
`CELERY`, a dict of Celery's own settings, lower case, in `app.config`. `python -m tests.test_docs` writes this page
from `src/celeriac/config.py`.

| setting | default | type | meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """Return docs/settings.md as the settings themselves tell it."""
    rows = []
    schema = Settings.model_json_schema()["properties"]
    for name, field in Settings.model_fields.items():
        told = schema[name]
        kind = told.get("type") or next(kind["type"] for kind in told["anyOf"] if kind["type"] != "null")
        if "enum" in told:
            kind = " or ".join(f"`{word}`" for word in told["enum"])
        bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
        words = [kind, *(f"{sign} {told[key]}" for key, sign in bounds.items() if key in told)]
        default = "" if field.default in ("", None) else f"`{field.default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {' '.join(words)} | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


def blocks(page: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


def commands(page: Path) -> list[list[str]]:
    return [shlex.split(line) for block in blocks(page, "bash") for line in block.splitlines()]


def test_every_setting_stands_on_its_page() -> None:
    assert SETTINGS.read_text() == settings_page(), "Run `python -m tests.test_docs`."


def test_every_setting_is_one_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert (field.description or "").endswith("."), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_named_path_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target
    if page.name != "CONTRIBUTING.md":
        return
    for path in re.findall(r"`((?:src|backend|tests|docs|deploy)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_every_page_is_in_the_index_of_its_folder(folder: str) -> None:
    index = (ROOT / folder / "README.md").read_text()
    for page in (ROOT / folder).glob("*.md"):
        assert page.name == "README.md" or f"({page.name}" in index, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    listed = subprocess.run([sys.executable, "dev.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tasks = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    for command in commands(page):
        if command[:2] == ["python3", "dev.py"]:
            assert not command[2:] or command[2] in tasks, command
        elif command[0].startswith("./"):
            assert os.access(ROOT / command[0], os.X_OK), command
        elif command[0] in ("python", "python3"):
            assert command[1] == "-m" or (ROOT / command[1]).exists(), command
        else:
            assert command[0] in ("curl", "source", "pip"), command


def test_the_readme_is_short_and_begins_with_the_one_command() -> None:
    readme = ROOT / "README.md"

    assert len(readme.read_text().splitlines()) <= 120
    assert commands(readme)[0] == ["python3", "dev.py", "up"]


def test_the_readmes_job_is_the_one_in_the_app() -> None:
    [shown] = [block for block in blocks(ROOT / "README.md", "python") if "long_task" in block]
    real = (ROOT / "backend" / "tasks.py").read_text()

    body = shown[shown.index("def long_task") :].strip()
    assert body in re.sub(r"  # .*", "", real)


def test_the_plain_pins_are_those_of_the_lock() -> None:
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(), re.M))
    pins = re.findall(r"^([\w-]+)(?:\[\w+\])?==([\w.]+)$", (ROOT / "requirements.txt").read_text(), re.M)

    assert len(pins) >= 5
    for name, version in pins:
        assert locked[name] == version, name
    assert "-e ." in (ROOT / "requirements.txt").read_text().splitlines()


@pytest.mark.slow
def test_the_readmes_calls_work_against_its_one_command(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    port = free_port()
    up = Program(
        [*commands(readme)[0], "--no-flower", "--port", str(port), "--data", str(tmp_path / "data")],
        tmp_path / "log",
        {},
    )
    try:
        web = Web(port)
        eventually(web.answers, "an answer of `up`", 120)
        said: dict[str, str] = {}
        for command in commands(readme):
            if command[0] == "curl":
                here = [
                    part.replace(":5000", f":{port}").replace("$TASK_ID", said.get("task_id", "")) for part in command
                ]
                answered = subprocess.run([*here, "-sS", "--fail"], capture_output=True, check=True).stdout
                said |= json.loads(answered)
        assert said["state"] in ("PENDING", "STARTED", "PROGRESS")
    finally:
        up.stop()


@pytest.mark.slow
def test_the_articles_installation_works_in_a_fresh_folder(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(("tests/", "benchmarks/")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
            (tmp_path / name).chmod((ROOT / name).stat().st_mode)
    env = {**os.environ, "VIRTUAL_ENV": str(tmp_path / "venv")}
    env["PATH"] = os.pathsep.join([str(tmp_path / "venv" / "bin"), env["PATH"]])

    def run(*command: str) -> str:
        ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run(sys.executable, "-m", "venv", "venv")
    run("pip", "install", "-q", "-r", "requirements.txt")
    assert "backend.tasks.long_task" in run("python", "-c", "import run; print(*run.app.extensions['celery'].tasks)")
    assert "5.7" in run("celery", "-A", "backend", "--version")
    assert "celery flower" in run("./flower.sh", "--help")


if __name__ == "__main__":
    SETTINGS.write_text(settings_page())
