"""Speaks Redis: connections driven by hand, for what is asked so often that a client's wrappings are half of its cost.

1. A caller takes an idle connection, sends its command, reads the reply and puts the connection back.
2. One that died while it was idle is replaced, with all that were idle then, and the command is sent once more: what
   goes through a wire must bear to come twice, except by `each`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import redis
from redis.exceptions import ConnectionError, ResponseError

from celeriac.store.clients import alone
from celeriac.store.scripts import Arg

Command = tuple[Arg, ...]
packed: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # the stubs know of one argument
IDLE = 64  # connections kept open


class Wire:
    """Commands and their replies, on connections of its own to where the pool's go; threads and forks may share it."""

    def __init__(self, pool: Any) -> None:
        self._pool = alone(pool).connection_pool
        self._idle: list[Any] = []
        self._pid = os.getpid()

    def execute_command(self, *words: Arg) -> Any:
        """Return the reply to one command. Raises redis.RedisError; after a TimeoutError it may have been done."""
        reply = self.ask([words])[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def ask(self, commands: Sequence[Command], again: bool = True) -> list[Any]:
        """Return the replies to all commands, sent at once; a refusal of the server stands in its command's place.

        Without `again` nothing is sent twice: that an idle connection died is the caller's to judge.
        """
        connection = self._take()
        if connection is not None:
            try:
                return self._ask(connection, commands)
            except ConnectionError:
                self._idle.clear()
                if not again:
                    raise
        return self._ask(self._made(), commands)

    def _made(self) -> Any:
        """Return a new connection; the pool's own way counts them, and gives up for good at its hundredth."""
        connection = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.connect()  # a send would connect by itself, but one of Sentinels does not ask them then
        return connection

    def _take(self) -> Any:
        if self._pid != os.getpid():  # the parent's connections are the parent's
            self._pid, self._idle = os.getpid(), []
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _ask(self, connection: Any, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = []
        try:
            connection.send_packed_command([b"".join(map(packed, commands))], check_health=False)
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            connection.disconnect()
            raise
        if len(self._idle) < IDLE:
            self._idle.append(connection)
        else:
            connection.disconnect()
        return replies


class Wired(redis.Redis):
    """A client whose moves go through a wire, and everything else as redis-py does it."""

    _wire: Wire | None = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] not in ("evalsha", "eval"):  # as Script spells them
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        return self._wired().execute_command(*args)

    def together(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to commands that are done as one, as the server gives them. Raises redis.RedisError."""
        found: list[Any] = _accepted(self._wired().ask([("MULTI",), *commands, ("EXEC",)]))[-1]
        return found

    def each(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to commands that are sent at once, and once. Raises redis.RedisError, the first refusal.

        An end that came twice would be told as a second end, and whoever waits for it would not hear of it.
        """
        return _accepted(self._wired().ask(commands, again=False))

    def _wired(self) -> Wire:
        if self._wire is None:
            self._wire = Wire(self.connection_pool)
        return self._wire


def _accepted(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def wired(client: redis.Redis) -> redis.Redis:
    """Return a client like this one whose moves go through a wire."""
    return Wired(connection_pool=client.connection_pool)
