"""What the table of deliveries is made of: one delivery, one on its way back, and who wants to hear of them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Surplus(Protocol):
    """A channel that may hold messages fetched ahead of its free slots."""

    def overdue(self, now: float) -> list[str]: ...
    def wake(self) -> None: ...


@dataclass(slots=True)
class Hooks:
    """What the worker wants to hear of; each is called on the native thread or the consumer's, and must not block."""

    dropped: Callable[[bytes], None] = lambda raw: None
    buried: Callable[[str, bytes], None] = lambda id, raw: None
    gone: Callable[[str], None] = lambda token: None
    cancelled: Callable[[str], None] = lambda token: None
    tended: Callable[[list[str]], None] = lambda tokens: None
    closing: Callable[[], None] = lambda: None
    beside: bool = False  # jobs run beside the event loop, which reads a reply as soon as it is there
    room: Callable[[], int] = lambda: 0  # how many messages more than the prefetch limit may be in hand


@dataclass(slots=True)
class Held:
    """One delivery of this process; `handed` to the pool, which will run it even in a worker that stops; `begun` once
    user code may have run, `once` if it never runs again then.
    """

    handed: bool = False
    begun: bool = False
    lost: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Return:
    """A delivery on its way back to its queue, or, with `bury`, to the dead letters."""

    token: str
    why: str = ""
    lost: bool = False
    tail: bool = False
    bury: bool = False
