"""A server, its Redis and a worker, each of which can be stopped and started again in the middle of everything."""

from __future__ import annotations

from pathlib import Path

from tests.article.running import Program, Web, eventually, free_port
from tests.watch.listener import Listener

JOBS = "tests.watch.chatty"


class Station:
    """`kind` is Gunicorn's worker class, with room for `places` requests at once."""

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        kind: str,
        places: int = 16,
        app: str = f"{JOBS}:flask_app",
        jobs: str = JOBS,
    ) -> None:
        self.folder, self.kind, self.places, self.app, self.jobs = folder, kind, places, app, jobs
        self.port = free_port()
        self.env = {"BROKER_URL": broker_url, "CELERIAC_LOCAL": "1", "CELERIAC_LEASE": "10"}
        self.web = Web(self.port)
        self._programs: dict[str, Program] = {}

    def start_web(self, **env: str) -> Program:
        """Start the server and wait until it answers."""
        room = ["--threads", str(self.places)] if self.kind == "gthread" else ["--worker-connections", str(self.places)]
        command = ["gunicorn", self.app, "--bind", f"127.0.0.1:{self.port}", "-k", self.kind, *room,
                   "--graceful-timeout", "90", "--no-control-socket"]  # fmt: skip
        self._programs["web"] = Program(command, self.folder / "web.log", {**self.env, **env})
        eventually(lambda: self.web.answers("/healthz"), "an answer of the server")
        return self._programs["web"]

    def start_worker(self) -> Program:
        """Start a worker with threads."""
        command = ["celery", "-A", self.jobs, "worker", "-P", "threads", "-c", "4", "-n", "watch@test", "-l", "INFO"]
        self._programs["worker"] = Program(command, self.folder / "worker.log", self.env)
        self._programs["worker"].says("watch@test ready")
        return self._programs["worker"]

    def stop(self, name: str) -> None:
        """Stop one program as its operator would."""
        self._programs.pop(name).stop()

    def stop_all(self) -> None:
        for name in list(self._programs):
            self.stop(name)

    def submit(self, task: str, **arguments: object) -> str:
        answer = self.web("POST", f"/api/tasks/{task}", arguments)
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def watch(self, id: str, last_id: str | None = None) -> Listener:
        """Open a stream of the job's events."""
        return Listener(self.port, f"/api/jobs/{id}/events", last_id)

    @property
    def child(self) -> int:
        """The process that answers: Gunicorn's worker."""
        main = self._programs["web"].process.pid
        return int(Path(f"/proc/{main}/task/{main}/children").read_text().split()[0])
