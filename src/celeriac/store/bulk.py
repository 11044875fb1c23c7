"""Speaks Redis: many submissions in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from celeriac.store.clients import NoScriptError
from celeriac.store.moves import Space, Submission, load_publish, publish_words
from celeriac.store.wire import Wire


def publish_many(wire: Wire, space: Space, submissions: Sequence[Submission]) -> list[str | Exception]:
    """Record and queue each, or neither; return the outcome of each, or the error that the server answered."""
    commands = [publish_words(space, submission) for submission in submissions]
    replies = wire.ask(commands)
    if any(isinstance(reply, NoScriptError) for reply in replies):
        load_publish(wire)
        replies = wire.ask(commands)  # those that were queued meanwhile say so
    return [reply if isinstance(reply, Exception) else reply[0].decode() for reply in replies]
