"""A hand that does an app's jobs, one step at a time."""

from __future__ import annotations

import json
import time

from celeriac.actions import Context
from celeriac.job import Move
from celeriac.store import moves
from celeriac.store.moves import Delivery


class Hand:
    """A worker whose every step is a test's: takes, starts and ends jobs by the same moves as the real one."""

    name = "hand@test"

    def __init__(self, context: Context) -> None:
        self.client, self.space = context.client, context.space

    def take(self, queue: str = "celery", n: int = 1) -> list[Delivery]:
        """Fetch up to n messages of a queue."""
        return moves.fetch(self.client, self.space, n, [(self.space.prefix + queue, queue, True)]).deliveries

    def start(self, queue: str = "celery") -> str:
        """Take one job, past messages that are only to be dropped, and start it; return its token."""
        [delivery] = self.take(queue) or self.take(queue)
        assert moves.start(self.client, self.space, delivery.token, self.name, 0.0, "") == "ok"
        return delivery.token

    def end(self, token: str, move: Move = Move.SUCCEED, result: object = None, error: str = "") -> str:
        """End a job that was started."""
        id, _, fence = token.rpartition(":")
        word = {Move.SUCCEED: "SUCCESS", Move.FAIL: "FAILURE", Move.RETRY: "RETRY"}.get(move, "REVOKED")
        meta = json.dumps({"status": word, "result": result, "task_id": id})
        said = json.dumps({"type": "ValueError", "message": error, "traceback": "line 1"}) if error else ""
        return moves.finish(
            self.client, self.space, moves.Finish(id, move, int(fence), meta, worker=self.name, error=said)
        )

    def lose(self, token: str) -> None:
        """Die with a job in hand."""
        moves.put_back(self.client, self.space, [token], "worker lost", lost=True)

    def lose_for_good(self, queue: str = "celery") -> str:
        """Die with the next job as often as it may be lost; return its id."""
        for _ in range(self.space.max_losses):
            token = self.start(queue)
            self.lose(token)
        return token.rpartition(":")[0]

    def listen(self, *queues: str, name: str = name) -> None:
        """Be heard as a worker that consumes these queues."""
        info = {"queues": queues, "pool": "threads", "concurrency": 4, "host": "test", "pid": 1, "started": time.time()}
        moves.tend(self.client, self.space, [], name, json.dumps(info))
