"""The files in deploy/ are true: their commands do jobs as they stand there, and agree with each other."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.config import Settings
from celeriac.stack.probe import listens
from celeriac.stack.valkey import HOST, find_binary
from tests.article.running import BIN, ROOT, Program, Web, eventually, free_port

DEPLOY = ROOT / "deploy"
UNITS = {path.stem.removeprefix("celeriac-"): path for path in (DEPLOY / "systemd").glob("*.service")}
PLACE, DATA, WEB = "/srv/celeriac/venv/bin/", "/var/lib/celeriac", "127.0.0.1:8000"
WORKERS = ("default", "io")


def service(name: str) -> configparser.SectionProxy:
    """Return what a unit says of its service."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS[name])
    return parser["Service"]


def command(name: str) -> str:
    """Return a unit's command, as a shell takes it, without the place of the program."""
    return service(name)["ExecStart"].replace("%%", "%").removeprefix(PLACE)


class Site:
    """A machine that was set up by these files: the server by its configuration, the units' commands as a user's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.web = folder, Web(free_port())
        self.programs: list[Program] = []
        port, conf = free_port(), folder / "valkey.conf"
        text = (DEPLOY / "valkey.conf").read_text().replace("CHANGE-THIS", "a-password")
        text = text.replace("port 6379", f"port {port}").replace("dir /var/lib/valkey", f"dir {folder}")
        conf.write_text(text.replace(" -::1", ""))
        self.env = {
            "SECRET_KEY": "6f1d0c5ab29e4d7788aa3c10f4be92d1c5", "CELERIAC_DATA": str(folder / "data"),
            "CELERIAC_HISTORY": "true", "BROKER_URL": f"redis://celeriac:a-password@{HOST}:{port}/0",
        }  # fmt: skip
        self.runs(f"{find_binary()} {conf}")
        eventually(lambda: listens(HOST, port), "Valkey at its port")

    def runs(self, line: str) -> Program:
        """Start a program of this machine."""
        line = line.replace(DATA, str(self.folder)).replace(WEB, f"{HOST}:{self.web.port}")
        self.programs.append(Program(shlex.split(line), self.folder / f"{len(self.programs)}.log", self.env))
        return self.programs[-1]

    def token(self) -> str:
        """Return the text of a new token, as docs/deploy.md makes it."""
        words = "flask --app run jobs token create --owner shop --scope submit --scope read --json"
        env = {"PATH": str(BIN), **self.env}
        said = subprocess.run(shlex.split(words), cwd=ROOT, env=env, capture_output=True, check=True, text=True)
        return str(json.loads(said.stdout)["token"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for program in reversed(made.programs):
        program.stop()


@pytest.mark.slow
def test_the_units_commands_do_jobs_for_who_has_a_token(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.token()}", "Prefer": "wait=60"}
    web = site.runs(command("web"))
    workers = {name: site.runs(command(name)) for name in WORKERS}
    eventually(lambda: site.web.answers("/healthz"), "an answer of the web")
    for name, worker in workers.items():
        worker.says(f"{name}@")
        worker.says("ready.")

    done = site.web("POST", "/api/tasks/add", {"x": 1, "y": 2}, headers=headers)
    io = site.web("POST", "/api/tasks/long_task", {"steps": 1, "seconds": 0}, headers=headers)

    assert (done.status, done.json["result"]) == (200, 3)
    assert (io.status, io.json["queue"]) == (200, "io")
    assert site.web("POST", "/api/tasks/add", {"x": 1, "y": 2}).status == 401
    for program in (web, *workers.values()):
        program.stop()
        assert program.process.returncode == 0, program.output
        assert "Traceback" not in program.output


@pytest.mark.slow
def test_the_beat_of_its_unit_starts(site: Site) -> None:
    beat = site.runs(command("beat"))

    beat.says("beat: Starting...")
    eventually(lambda: list(site.folder.glob("beat-schedule*")), "its file in the data folder")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_lets_its_program_end_in_peace_and_as_nobody_special(name: str) -> None:
    told = service(name)

    assert told["User"] == "celeriac"
    assert told["KillMode"] == "mixed"
    assert told["ExecStart"].startswith(PLACE)
    assert f"CELERIAC_DATA={DATA}" in told["Environment"].split()
    if name in WORKERS:
        assert int(told["TimeoutStopSec"]) > Settings().grace
        assert told["OOMPolicy"] == "continue"


def test_the_containers_run_what_the_units_run() -> None:
    compose = (DEPLOY / "compose.yaml").read_text()
    image = (DEPLOY / "Dockerfile").read_text()
    [web] = re.findall(r"^CMD (\[.*])$", image, re.MULTILINE)
    commands = dict(re.findall(r"^  (\w+):\n    <<: \*app\n    command: (.*)$", compose, re.MULTILINE))

    assert json.loads(web) == shlex.split(command("web").replace("127.0.0.1:", "0.0.0.0:"))
    assert commands == {name: command(name).replace(DATA, "/data") for name in UNITS if name != "web"}
    [grace] = re.findall(r"^  stop_grace_period: (\d+)s$", compose, re.MULTILINE)
    assert int(grace) > Settings().grace
    for name in re.findall(r"^COPY (.*) \S+$", image, re.MULTILINE):
        for one in name.split():
            assert (ROOT / one).exists()
            assert f"!{one}" in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()


def test_the_proxy_leads_to_the_unit_of_the_web() -> None:
    assert f"proxy_pass http://{WEB};" in (DEPLOY / "nginx.conf").read_text()
    assert f"--bind {WEB}" in command("web")
