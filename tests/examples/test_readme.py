"""The examples' README: what it says is so, and its commands work."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from celeriac.stack.valkey import free_port
from examples import DEFAULTS
from tests.article.running import ROOT, Program, Web, eventually

FOLDER = ROOT / "examples"
README = (FOLDER / "README.md").read_text()


def commands() -> list[tuple[dict[str, str], list[str]]]:
    """Return each command with the settings before it."""
    found = []
    for line in "".join(re.findall(r"^```bash\n(.*?)^```", README, re.S | re.M)).splitlines():
        words = shlex.split(line)
        first = next(i for i, word in enumerate(words) if "=" not in word)
        found.append((dict(word.split("=", 1) for word in words[:first]), words[first:]))
    return found


def test_it_names_every_file_and_every_setting() -> None:
    assert set(re.findall(r"\]\((\w+\.py)\)", README)) == {p.name for p in FOLDER.glob("*.py")} - {"__init__.py"}
    for name, default in DEFAULTS.items():
        assert f"`{name}`" in README
        assert f"`{default}`" in README
    read = set(re.findall(r'config(?:\.get)?[\[(]"(\w+)"', "".join(p.read_text() for p in FOLDER.glob("*.py"))))
    assert {name for name in read if f"`{name}`" not in README} == set()


def test_every_file_is_short() -> None:
    for path in FOLDER.glob("*.py"):
        assert len(path.read_text().splitlines()) < 80, path.name


@pytest.mark.slow
def test_its_commands_work(tmp_path: Path) -> None:
    port, images = free_port(), tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (1200, 600), "green").save(images / "lawn.jpg")
    (env, up), *curls = commands()
    options = ["--no-flower", "--port", str(port), "--data", str(tmp_path / "data")]
    program = Program([*up, *options], tmp_path / "log", {**env, "EXAMPLES_IMAGES": str(images)})
    try:
        web = Web(port)
        eventually(lambda: web.answers("/healthz"), "an answer of `up`", 120)
        for _, command in curls:
            here = [word.replace(":5000", f":{port}") for word in command]
            told = json.loads(subprocess.run([*here, "-sS", "--fail"], capture_output=True, check=True).stdout)
        eventually(lambda: web("GET", f"/api/jobs/{told['id']}").json["state"] == "succeeded", "thumbnails")
        assert (images / "lawn-512.webp").exists()
    finally:
        program.stop()
