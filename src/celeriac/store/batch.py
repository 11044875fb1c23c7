"""Speaks Redis: what a worker's jobs did meanwhile, written in one round trip of bounded moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from celeriac.store.clients import NoScriptError
from celeriac.store.moves import Finish, Report, Space, ms, report_words, texts
from celeriac.store.scripts import Arg, script

T = TypeVar("T")
TOGETHER = 24  # reports or ends in one move: it holds up the server for a few milliseconds at most


@dataclass(slots=True)
class Batch:
    """Starts (token, worker, seconds ago, meta), reports and ends that travel in one pipeline."""

    starts: Sequence[tuple[str, str, float, str]] = ()
    reports: Sequence[Report] = ()
    cap: int = 1000
    ends: Sequence[Finish] = ()

    def write(self, client: Any, space: Space) -> tuple[list[str], list[str], list[str]]:
        """Return the verdict of each start, the tokens to stop, and the outcome of each end. Raises RedisError.

        '!' and an error stand for what a job's own damaged keys refuse, "!<token> <error>" among the tokens.
        A server that forgot the scripts is taught them and asked again: nothing was written by then.
        """
        head = space.head()
        calls = [(script("start"), (*head, t, worker, ms(ago), meta, 0)) for t, worker, ago, meta in self.starts]
        for reports in _pieces(self.reports):
            calls.append((script("report"), (*head, self.cap, *report_words(reports))))
        for ends in _pieces(self.ends):
            calls.append((script("finish"), (*head, *(word for end in ends for word in end.words()))))
        commands = [move.command(*args) for move, args in calls]
        try:
            replies = client.each(commands)
        except NoScriptError:
            for name in ("start", "report", "finish"):
                client.execute_command("SCRIPT LOAD", script(name).source)
            replies = client.each(commands)
        except UnicodeEncodeError:  # half a surrogate pair in some text; nothing was sent
            replies = client.each([tuple(map(_sendable, command)) for command in commands])
        n = len(self.starts)
        m = n + len(list(_pieces(self.reports)))
        stopped, outcomes = ([text for reply in part for text in texts(reply)] for part in (replies[n:m], replies[m:]))
        return texts(replies[:n]), stopped, outcomes


def _sendable(word: Arg) -> Arg:
    return word.encode(errors="replace") if isinstance(word, str) else word


def _pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[i : i + TOGETHER] for i in range(0, len(items), TOGETHER))
