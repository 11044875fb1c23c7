"""Jobs as the journal and the records would tell of them: skewed and in bursts as real ones are, the same each time."""

from __future__ import annotations

import json
import random
import time

from celeriac.store.journal import Detail, Entry

TASKS = ["mail.send", *(f"shop.task{i}" for i in range(1, 19)), "yearly.audit"]
SHARES = [400, *([30] * 18), 0.1]
QUEUES = ["celery", "io", "mail", "reports", "slow"]
OWNERS = [f"team{i}" for i in range(50)]
STATES = ["succeeded", "failed", "cancelled", "queued", "running"]
STATE_SHARES = [90, 5, 2, 2.9, 0.1]
BURST = 1000  # jobs that come within a minute
SPAN = 29 * 86400  # seconds over which they came


class Jobs:
    """Makes batches of them, the oldest first."""

    def __init__(self, number: int) -> None:
        self.number, self.dice = number, random.Random(7)
        self.start = int((time.time() - SPAN) * 1000)

    def batch(self, first: int, size: int) -> tuple[list[Entry], dict[str, Detail]]:
        entries: list[Entry] = []
        details: dict[str, Detail] = {}
        for i in range(first, first + size):
            at = self.start + int(i // BURST * BURST / self.number * SPAN * 1000) + i % BURST * 60
            id = f"job-{i}"
            detail = self._detail(i, at)
            details[id] = detail
            final = str(detail.values[0])
            passed = ["queued"] if final == "queued" else ["queued", "running"]
            for seq, state in enumerate([*passed, *([final] if final not in passed else [])]):
                entries.append(Entry(((at + seq) << 20) + i % 1000, id, state, seq + 1, None, at + seq, ""))
        return entries, details

    def _detail(self, i: int, at: int) -> Detail:
        (task,) = self.dice.choices(TASKS, SHARES)
        (state,) = self.dice.choices(STATES, STATE_SHARES)
        words = [f"user{self.dice.randrange(100_000)}", f"order {i}"]
        words += ["monthly report"] if self.dice.random() < 0.5 else ["daily digest"]
        words += ["invoice"] if self.dice.random() < 0.005 else []
        fields = {
            "state": state, "task": task, "queue": QUEUES[TASKS.index(task) % 5], "owner": self.dice.choice(OWNERS),
            "created_at": str(at), "attempt": "1", "retries": "0", "seq": "3", "worker": "default@web-1",
            "args": json.dumps([[], {"subject": " ".join(words), "to": f"user{i % 5000}@example.com"}]),
        }  # fmt: skip
        if state != "queued":
            fields["started_at"] = str(at + self.dice.randrange(2000))
        if state in ("succeeded", "failed", "cancelled"):
            fields["finished_at"] = str(at + 2000 + int(self.dice.expovariate(1 / 800)))
        if state == "failed":
            fields["error"] = json.dumps({"type": "TimeoutError", "message": "no answer in 30 s"})
        meta = '{"status":"SUCCESS","result":{"sent":true}}' if state == "succeeded" else ""
        return Detail.of(fields, meta)
