"""Speaks SQL's state of health: how the copying goes, as its process has said in Redis. Asks no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celeriac.store import journal
from celeriac.store.moves import Space

QUIET = 15.0  # seconds after which a copier that says nothing is gone
LATE = 30.0  # seconds behind which the history is not well


@dataclass(frozen=True, slots=True)
class Status:
    """How the history is. `lag`: seconds that the oldest uncopied transition has waited; `gap`: entries were lost
    before they were copied, and are being completed; `holder`: who copies, '' nobody; `error`: why it cannot."""

    on: bool
    well: bool
    lag: float
    gap: bool
    error: str
    holder: str
    database: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"on": self.on, "well": self.well, "lag": round(self.lag, 3), "gap": self.gap, "error": self.error}


def status(client: Any, space: Space, on: bool = True) -> Status:
    """Return how the history is. Raises BrokerUnavailable."""
    if not on:
        return Status(False, True, 0.0, False, "", "", "")
    return read(journal.noted(client, space))


def read(said: Mapping[str, str]) -> Status:
    """Read what `noted` returns."""
    now = int(said["now"])
    lag = max(0, now - int(said["waiting"])) / 1000 if "waiting" in said else 0.0
    error, gap = said.get("error", ""), said.get("gap") == "1"
    if not error and (not said.get("at") or now - int(said["at"]) > QUIET * 1000):
        error = "No process copies the history."
    return Status(True, not error and lag < LATE, lag, gap, error, said.get("holder", ""), said.get("url", ""))
