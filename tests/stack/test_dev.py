"""dev.py: a runner that any Python can read, and a set-up that is exact and free the second time."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "dev.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def module() -> ModuleType:
    """dev.py, imported."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_python_3_8_can_read_it_and_it_imports_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "dev.py").read_text(), feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {a.name for node in imports for a in node.names if isinstance(node, ast.Import)}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_alone_it_lists_the_tasks_with_one_line_each() -> None:
    said = dev().stdout
    for task in ("up", "jobs", "test", "lint", "lock", "bench", "chaos"):
        assert re.search(rf"^  {task} +\S.*\.$", said, re.MULTILINE), said


def test_an_unknown_task_is_answered_with_the_known_ones() -> None:
    done = dev("pu")
    assert done.returncode == 2
    assert done.stderr.startswith("There is no task 'pu'. The tasks: up, jobs, test,")


def test_the_jobs_of_up_are_steered_with_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "broker-url").write_text("redis://:its-password@127.0.0.1:1/0\n")
    env = {k: v for k, v in os.environ.items() if k != "BROKER_URL"} | {"CELERIAC_DATA": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, ROOT / "dev.py", "jobs", "doctor"],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 1
    assert "BROKER_URL names 127.0.0.1:1/0" in done.stdout
    assert "Local development" in done.stdout


def test_an_old_python_is_told_which_one_to_take(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "version_info", (3, 8, 18))
    with pytest.raises(module.TaskError, match=r"needs Python 3\.11 or newer, this is 3\.8\."):
        module.check_python()


def test_a_python_without_pip_is_told_what_to_install(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "works", lambda *command: False)
    with pytest.raises(module.TaskError, match="apt install python3-pip"):
        module.find_pip()


def test_setting_up_again_does_nothing(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dev("setup").returncode == 0
    assert dev("setup").stdout == ""
    names = set(re.findall(r"^([a-z0-9-]+)==", module.LOCK.read_text(), re.MULTILINE))
    assert module.installed() <= names


def test_the_lock_files_name_public_hosts_only_and_pin_every_file() -> None:
    hosts = set(re.findall(r"(?:https?|file)://([^/\"]*)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    for entry in re.split(r"\n(?=[a-z0-9])", lock.partition("\n")[2].strip()):
        assert re.match(r"[a-z0-9-]+==\S+ .*", entry), entry
        assert "--hash=sha256:" in entry, entry
